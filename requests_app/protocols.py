"""The seed protocols as data. The database has them as versioned rows; staff extend them there."""

from dataclasses import dataclass
from typing import NamedTuple


class S(NamedTuple):
    """One step: phase, slug, label, longest note, usual duration in minutes (None: not fixed)."""

    phase: str
    slug: str
    label: str
    note_max: int
    minutes: int | None


@dataclass(frozen=True, slots=True)
class SeedProtocol:
    """One protocol in version 1, with the species it is offered to."""

    name: str
    title: str
    steps: tuple[S, ...]
    species: tuple[str, ...]
    dated_phases: tuple[str, ...] = ()
    needs_antibody: bool = False
    needs_link: bool = False


PHASE_TITLES = {
    "pbs": "PBS wash",
    "dehydr": "Dehydration",
    "rehydr": "Rehydration",
    "blocking": "Blocking",
    "antibody1": "Primary antibody",
    "wash1": "Wash",
    "antibody2": "Secondary antibody",
    "edu": "EdU click chemistry",
    "wash2": "Wash",
    "clearing": "Clearing",
}
# The steps at which the lot code of an antibody is asked for.
LOT_STEPS = frozenset({"antibody1_added", "antibody2_added"})

# fmt: off

IMMUNO = (
    S("dehydr", "dehydr_pbs_wash1", "1× PBS, wash 1 of 3; rocking at RT, 30 min", 100, 30),
    S("dehydr", "dehydr_pbs_wash2", "1× PBS, wash 2 of 3; rocking at RT, 30 min", 100, 30),
    S("dehydr", "dehydr_pbs_wash3", "1× PBS, wash 3 of 3; rocking at RT, 30 min", 100, 30),
    S("dehydr", "dehydr_methanol_20percent_wash1", "20 % methanol; rocking at RT, 1 h", 200, 60),
    S("dehydr", "dehydr_methanol_40percent_wash1", "40 % methanol; rocking at RT, 1 h", 200, 60),
    S("dehydr", "dehydr_methanol_60percent_wash1", "60 % methanol; rocking at RT, 1 h", 200, 60),
    S("dehydr", "dehydr_methanol_80percent_wash1", "80 % methanol; rocking at RT, 1 h", 200, 60),
    S("dehydr", "dehydr_methanol_100percent_wash1", "100 % methanol, first hour; rocking at RT, 1 h", 200, 60),
    S("dehydr", "dehydr_methanol_100percent_wash2", "100 % methanol, second hour; rocking at RT, 1 h", 200, 60),
    S("dehydr", "dehydr_peroxide_wash1", "5 % peroxide in methanol (1 part 30 % H2O2 : 5 parts 100 % methanol); rocking at RT, overnight", 200, 960),
    S("rehydr", "rehydr_methanol_100percent_wash1", "100 % methanol; rocking at RT, 1 h", 200, 60),
    S("rehydr", "rehydr_methanol_80percent_wash1", "80 % methanol; rocking at RT, 1 h", 200, 60),
    S("rehydr", "rehydr_methanol_60percent_wash1", "60 % methanol; rocking at RT, 1 h", 200, 60),
    S("rehydr", "rehydr_methanol_40percent_wash1", "40 % methanol; rocking at RT, 1 h", 200, 60),
    S("rehydr", "rehydr_methanol_20percent_wash1", "20 % methanol; rocking at RT, 1 h", 200, 60),
    S("rehydr", "rehydr_pbs_wash1", "PBS; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_sodium_azide_wash1", "0.2 % Triton X-100 + 1× PBS + 0.1 % sodium azide, first hour; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_sodium_azide_wash2", "0.2 % Triton X-100 + 1× PBS + 0.1 % sodium azide, second hour; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_glycine_wash1", "20 % DMSO + 0.3 M glycine + 0.2 % Triton X-100 + 0.1 % sodium azide + 1× PBS; rocking at 37 °C, 2 days", 100, 2880),
    S("blocking", "blocking_start_roomtemp", "Bring sample to RT; rocking at RT, about 1.5 h", 100, 90),
    S("blocking", "blocking_donkey_serum", "10 % DMSO + 6 % donkey serum + 0.2 % Triton X-100 + 0.1 % sodium azide + 1× PBS; rocking at 37 °C, 2–3 days", 100, 2880),
    S("antibody1", "antibody1_start_roomtemp", "Bring sample to RT; rocking at RT, about 1.5 h", 100, 90),
    S("antibody1", "antibody1_ptwh_wash1", "PTwH, first hour; rocking at RT, 1 h", 100, 60),
    S("antibody1", "antibody1_ptwh_wash2", "PTwH, second hour; rocking at RT, 1 h", 100, 60),
    S("antibody1", "antibody1_added", "Primary antibody in PTwH with 5 % DMSO + 3 % donkey serum; 37 °C, 7 days", 100, 10080),
    S("wash1", "wash1_start_roomtemp", "Bring sample to RT; rocking at RT, about 1.5 h", 100, 90),
    S("wash1", "wash1_ptwh_wash1", "PTwH wash, 10 min", 100, 10),
    S("wash1", "wash1_ptwh_wash2", "PTwH wash, 15 min", 100, 15),
    S("wash1", "wash1_ptwh_wash3", "PTwH wash, 30 min", 100, 30),
    S("wash1", "wash1_ptwh_wash4", "PTwH wash, 1 h", 100, 60),
    S("wash1", "wash1_ptwh_wash5", "PTwH wash, 2 h", 100, 120),
    S("wash1", "wash1_ptwh_wash6", "PTwH wash, overnight", 100, 960),
    S("antibody2", "antibody2_added", "Secondary antibody in PTwH with 3 % donkey serum; rocking at 37 °C, 7 days", 100, 10080),
    S("wash2", "wash2_start_roomtemp", "Bring sample to RT; rocking at RT, about 1.5 h", 100, 90),
    S("wash2", "wash2_ptwh_wash1", "PTwH wash, 10 min", 100, 10),
    S("wash2", "wash2_ptwh_wash2", "PTwH wash, 15 min", 100, 15),
    S("wash2", "wash2_ptwh_wash3", "PTwH wash, 30 min", 100, 30),
    S("wash2", "wash2_ptwh_wash4", "PTwH wash, 1 h", 100, 60),
    S("wash2", "wash2_ptwh_wash5", "PTwH wash, 2 h", 100, 120),
    S("wash2", "wash2_ptwh_wash6", "PTwH wash, overnight", 100, 960),
    S("clearing", "clearing_methanol_20percent_wash1", "20 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_40percent_wash1", "40 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_60percent_wash1", "60 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_80percent_wash1", "80 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_100percent_wash1", "100 % methanol, first hour; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_100percent_wash2", "100 % methanol, second hour; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_dcm_66percent_methanol_33percent", "66 % DCM + 33 % methanol; rocking at RT, 3 h", 100, 180),
    S("clearing", "clearing_dcm_wash1", "100 % DCM, wash 1; rocking at RT, 15 min", 100, 15),
    S("clearing", "clearing_dcm_wash2", "100 % DCM, wash 2; rocking at RT, 15 min", 100, 15),
    S("clearing", "clearing_dbe", "100 % DBE", 100, None),
    S("clearing", "clearing_new_tubes", "Move brains to new tubes pre-filled with 100 % DBE; no rocking", 100, None),
)

ABBREVIATED = (
    S("pbs", "pbs_wash1", "PBS wash 1", 250, None),
    S("pbs", "pbs_wash2", "PBS wash 2", 250, None),
    S("pbs", "pbs_wash3", "PBS wash 3", 250, None),
    S("dehydr", "dehydr_methanol_20percent_wash1", "20 % methanol; rocking at RT, 1 h", 250, 60),
    S("dehydr", "dehydr_methanol_40percent_wash1", "40 % methanol; rocking at RT, 1 h", 250, 60),
    S("dehydr", "dehydr_methanol_60percent_wash1", "60 % methanol; rocking at RT, 1 h", 250, 60),
    S("dehydr", "dehydr_methanol_80percent_wash1", "80 % methanol; rocking at RT, 1 h", 250, 60),
    S("dehydr", "dehydr_methanol_100percent_wash1", "100 % methanol, first hour; rocking at RT, 1 h", 250, 60),
    S("dehydr", "dehydr_methanol_100percent_wash2", "100 % methanol, second hour; rocking at RT, 1 h", 250, 60),
    S("dehydr", "dehydr_dcm_66percent_methanol_33percent", "66 % DCM + 33 % methanol; rocking at RT, 3 h", 250, 180),
    S("dehydr", "dehydr_dcm_wash1", "100 % DCM, wash 1; rocking at RT, 15 min", 250, 15),
    S("dehydr", "dehydr_dcm_wash2", "100 % DCM, wash 2; rocking at RT, 15 min", 250, 15),
    S("dehydr", "dehydr_dbe_wash1", "100 % DBE", 250, None),
    S("dehydr", "dehydr_dbe_wash2", "100 % DBE; no rocking", 250, None),
)

ABBREVIATED_RAT = (
    S("pbs", "pbs_wash1", "1× PBS, wash 1 of 3; rocking at RT, 30 min", 250, 30),
    S("pbs", "pbs_wash2", "1× PBS, wash 2 of 3; rocking at RT, 30 min", 250, 30),
    S("pbs", "pbs_wash3", "1× PBS, wash 3 of 3; rocking at RT, 30 min", 250, 30),
    S("dehydr", "dehydr_methanol_20percent_wash1", "20 % methanol; rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_methanol_40percent_wash1", "40 % methanol; rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_methanol_60percent_wash1", "60 % methanol; rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_methanol_80percent_wash1", "80 % methanol; rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_methanol_100percent_wash1", "100 % methanol (before peroxide); rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_peroxide_wash1", "5 % peroxide in methanol (1 part 30 % H2O2 : 5 parts 100 % methanol)", 250, None),
    S("dehydr", "dehydr_methanol_100percent_wash2", "100 % methanol (after peroxide); rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_dcm_66percent_methanol_33percent", "66 % DCM + 33 % methanol; rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_dcm_wash1", "100 % DCM; rocking at RT, 24 h", 250, 1440),
    S("dehydr", "dehydr_dbe_wash1", "100 % DBE; 24 h", 250, 1440),
    S("dehydr", "dehydr_dbe_wash2", "Move brains to new tubes pre-filled with 100 % DBE; no rocking", 250, None),
)

UDISCO = (
    S("dehydr", "dehydr_pbs_wash1", "0.1 M PBS; rocking at RT, 5 min", 250, 5),
    S("dehydr", "dehydr_butanol_30percent", "30 % t-butanol; rocking at 35 °C, overnight", 250, 960),
    S("dehydr", "dehydr_butanol_50percent", "50 % t-butanol; rocking at 35 °C, 10 h", 250, 600),
    S("dehydr", "dehydr_butanol_70percent", "70 % t-butanol; rocking at 35 °C, overnight", 250, 960),
    S("dehydr", "dehydr_butanol_80percent", "80 % t-butanol; rocking at 35 °C, 10 h", 250, 600),
    S("dehydr", "dehydr_butanol_90percent", "90 % t-butanol; rocking at 35 °C, overnight", 250, 960),
    S("dehydr", "dehydr_butanol_96percent", "96 % t-butanol; rocking at 35 °C, 10 h", 250, 600),
    S("dehydr", "dehydr_butanol_100percent", "100 % t-butanol; rocking at 35 °C, overnight", 250, 960),
    S("clearing", "clearing_dcm_wash1", "100 % DCM; rocking at RT, 50–70 min", 250, 60),
    S("clearing", "clearing_babb_wash1", "BABB-D10; more than 3 h", 250, 180),
)

UDISCO_RAT = (
    S("dehydr", "dehydr_pbs_wash1", "0.1 M PBS; rocking at RT, 30 min", 250, 30),
    S("dehydr", "dehydr_butanol_30percent", "30 % t-butanol; rocking at 35 °C, overnight / 24 h", 250, 1440),
    S("dehydr", "dehydr_butanol_50percent", "50 % t-butanol; rocking at 35 °C, 24 h", 250, 1440),
    S("dehydr", "dehydr_butanol_70percent", "70 % t-butanol; rocking at 35 °C, overnight / 24 h", 250, 1440),
    S("dehydr", "dehydr_butanol_80percent", "80 % t-butanol; rocking at 35 °C, 24 h", 250, 1440),
    S("dehydr", "dehydr_butanol_90percent", "90 % t-butanol; rocking at 35 °C, overnight / 24 h", 250, 1440),
    S("dehydr", "dehydr_butanol_96percent", "96 % t-butanol; rocking at 35 °C, 24 h", 250, 1440),
    S("dehydr", "dehydr_butanol_100percent", "100 % t-butanol; rocking at 35 °C, overnight / 24 h", 250, 1440),
    S("clearing", "clearing_dcm_wash1", "100 % DCM; rocking at RT, 2.5–3 h", 250, 165),
    S("clearing", "clearing_babb_wash1", "BABB-D15; more than 3 h", 250, 180),
)

EDU = (
    S("dehydr", "dehydr_pbs_wash1", "1× PBS, wash 1 of 3; rocking at RT, 30 min", 100, 30),
    S("dehydr", "dehydr_pbs_wash2", "1× PBS, wash 2 of 3; rocking at RT, 30 min", 100, 30),
    S("dehydr", "dehydr_pbs_wash3", "1× PBS, wash 3 of 3; rocking at RT, 30 min", 100, 30),
    S("dehydr", "dehydr_methanol_20percent_wash1", "20 % methanol; rocking at RT, 1 h", 100, 60),
    S("dehydr", "dehydr_methanol_40percent_wash1", "40 % methanol; rocking at RT, 1 h", 100, 60),
    S("dehydr", "dehydr_methanol_60percent_wash1", "60 % methanol; rocking at RT, 1 h", 100, 60),
    S("dehydr", "dehydr_methanol_80percent_wash1", "80 % methanol; rocking at RT, 1 h", 100, 60),
    S("dehydr", "dehydr_methanol_100percent_wash1", "100 % methanol, first hour; rocking at RT, 1 h", 100, 60),
    S("dehydr", "dehydr_methanol_100percent_wash2", "100 % methanol, second hour; rocking at RT, 1 h", 100, 60),
    S("dehydr", "dehydr_peroxide_wash1", "5 % peroxide in methanol (1 part 30 % H2O2 : 5 parts 100 % methanol); rocking at RT, overnight", 100, 960),
    S("rehydr", "rehydr_methanol_100percent_wash1", "100 % methanol; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_methanol_80percent_wash1", "80 % methanol; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_methanol_60percent_wash1", "60 % methanol; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_methanol_40percent_wash1", "40 % methanol; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_methanol_20percent_wash1", "20 % methanol; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_pbs_wash1", "PBS; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_sodium_azide_wash1", "0.2 % Triton X-100 + 1× PBS + 0.1 % sodium azide, first hour; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_sodium_azide_wash2", "0.2 % Triton X-100 + 1× PBS + 0.1 % sodium azide, second hour; rocking at RT, 1 h", 100, 60),
    S("rehydr", "rehydr_glycine_wash1", "20 % DMSO + 0.3 M glycine + 0.2 % Triton X-100 + 0.1 % sodium azide + 1× PBS; rocking at 37 °C, 2 days", 100, 2880),
    S("wash1", "wash1_start_roomtemp", "Bring sample to RT; rocking at RT, about 1.5 h", 100, 90),
    S("wash1", "wash1_ptwh_wash1", "PTwH wash, 10 min", 100, 10),
    S("wash1", "wash1_ptwh_wash2", "PTwH wash, 15 min", 100, 15),
    S("wash1", "wash1_ptwh_wash3", "PTwH wash, 30 min", 100, 30),
    S("wash1", "wash1_ptwh_wash4", "PTwH wash, 1 h", 100, 60),
    S("wash1", "wash1_ptwh_wash5", "PTwH wash, 2 h", 100, 120),
    S("edu", "edu_click_chemistry", "EdU click chemistry", 100, None),
    S("wash2", "wash2_ptwh_wash1", "PTwH wash, 10 min", 100, 10),
    S("wash2", "wash2_ptwh_wash2", "PTwH wash, 15 min", 100, 15),
    S("wash2", "wash2_ptwh_wash3", "PTwH wash, 30 min", 100, 30),
    S("wash2", "wash2_ptwh_wash4", "PTwH wash, 1 h", 100, 60),
    S("wash2", "wash2_ptwh_wash5", "PTwH wash, 2 h", 100, 120),
    S("clearing", "clearing_methanol_20percent_wash1", "20 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_40percent_wash1", "40 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_60percent_wash1", "60 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_80percent_wash1", "80 % methanol; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_100percent_wash1", "100 % methanol, first hour; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_methanol_100percent_wash2", "100 % methanol, second hour; rocking at RT, 1 h", 100, 60),
    S("clearing", "clearing_dcm_66percent_methanol_33percent", "66 % DCM + 33 % methanol; rocking at RT, 3 h", 100, 180),
    S("clearing", "clearing_dcm_wash1", "100 % DCM, wash 1; rocking at RT, 15 min", 100, 15),
    S("clearing", "clearing_dcm_wash2", "100 % DCM, wash 2; rocking at RT, 15 min", 100, 15),
    S("clearing", "clearing_dbe", "100 % DBE", 100, None),
    S("clearing", "clearing_new_tubes", "Move brains to new tubes pre-filled with 100 % DBE; no rocking", 100, None),
)
# fmt: on

ALL = ("mouse", "rat", "primate", "marsupial")

SEED_PROTOCOLS = (
    SeedProtocol(
        "iDISCO abbreviated clearing",
        "iDISCO for non-oxidizable fluorophores (abbreviated)",
        ABBREVIATED,
        ("mouse",),
        ("pbs", "dehydr"),
    ),
    SeedProtocol(
        "iDISCO abbreviated clearing (rat)",
        "Rat: iDISCO for non-oxidizable fluorophores (abbreviated)",
        ABBREVIATED_RAT,
        ("rat",),
        ("pbs", "dehydr"),
    ),
    SeedProtocol(
        "iDISCO+_immuno",
        "iDISCO+ immunostaining",
        IMMUNO,
        ("mouse",),
        ("dehydr", "rehydr", "blocking", "antibody1", "wash1", "antibody2", "wash2", "clearing"),
        needs_antibody=True,
    ),
    SeedProtocol("uDISCO", "uDISCO", UDISCO, ("mouse",), ("dehydr", "clearing")),
    SeedProtocol("uDISCO (rat)", "Rat: uDISCO", UDISCO_RAT, ("rat",), ("dehydr", "clearing")),
    SeedProtocol(
        "iDISCO_EdU",
        "iDISCO with EdU click chemistry",
        EDU,
        ("mouse",),
        ("dehydr", "rehydr", "wash1", "edu", "wash2", "clearing"),
    ),
    SeedProtocol("experimental", "Experimental", (), ALL, needs_link=True),
)

SPECIES = (("mouse", "Mouse"), ("rat", "Rat"), ("primate", "Primate"), ("marsupial", "Marsupial"))
