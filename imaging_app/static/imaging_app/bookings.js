// A press on an empty place of a day leads to booking from that quarter of an hour on.
const QUARTERS = 96;

function clockOf(quarter) {
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(quarter / 4))}:${two((quarter % 4) * 15)}`;
}

function bookAt(event) {
  const slots = event.currentTarget;
  // On a phone the day is a list, without a scale to read a time from.
  if (event.target !== slots || matchMedia("(width < 720px)").matches) return;
  const { top, height } = slots.getBoundingClientRect();
  const quarter = Math.min(QUARTERS - 1, Math.floor(((event.clientY - top) / height) * QUARTERS));
  const from = quarter - (quarter % 2); // half hours are easier to hit
  location.assign(`${slots.dataset.book}?at=${slots.dataset.day}T${clockOf(from)}`);
}

for (const slots of document.querySelectorAll(".slots[data-book]")) slots.addEventListener("click", bookAt);
