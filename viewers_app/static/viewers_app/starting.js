// Asks until the view's process answers, then goes to the view. Says why if that is not to be.
const page = JSON.parse(document.getElementById("page").textContent);
const words = document.querySelector("[data-words]");
const ASK_EVERY_MS = 700;

function over(why) {
  words.textContent = why;
  document.querySelector("[data-progress]").hidden = true;
  document.querySelector("[data-again]").hidden = false;
}

async function ask() {
  let answer;
  try {
    answer = await fetch(page.start, { method: "POST" });
  } catch {
    words.textContent = "The site does not answer. Trying again…";
    setTimeout(ask, 5 * ASK_EVERY_MS);
    return;
  }
  if (!answer.ok) {
    over(answer.status < 500 ? "This view has ended." : "The viewer could not be started. The operators see why in the log.");
    return;
  }
  const { state, words: said } = await answer.json();
  if (state === "ready") location.reload();
  else if (state === "requested" || state === "starting") {
    if (said) words.textContent = `${said} Trying again…`;
    setTimeout(ask, ASK_EVERY_MS);
  } else over(`The viewer could not be started: ${said || "it was stopped."}`);
}

ask();
