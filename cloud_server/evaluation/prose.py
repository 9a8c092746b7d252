"""What docs/evaluation.md says around its tables."""

INTRODUCTION = """# How good the system is

`make evaluation` writes this page and its pictures from `docs/evaluation/predictions/`; it is not edited
by hand. The trainings behind the predictions took 9 to 65 minutes a stage on two CPU cores; their recipes are named at the end."""

SEEN = """Nothing was trained or calibrated on them. Each training was measured on them, though, and a few rules were settled
with an eye on them: what the second try leaves alone (a stop among sentences, words of the dictionary; one row each of
`test_remote_extra` and `test_extra`, docs/decisions/0017), a measure of doubt that was not taken (`test_extra`, docs/training-log.md,
"Near-misses by number and by hand"), the tag of both readers, whose gain on `test_normal` had been seen before (docs/decisions/0015), that
what stands beside a shadow learns again after it (all four, docs/decisions/0014), and where an answer that goes round in circles ends
(answers to all four, docs/training-log.md, "Round in circles")."""

ROUTES = """"As deployed": the edge's reflex and int8 bundle decide by thresholds; what they defer goes to the attached
model, whose skill passes only by the rule of `cloud_server/api/answering.py`. Of {all} commands {edge} end
on the edge and {cloud} in the cloud. LoRA and DoRA cannot be detached: every row is theirs, as in the paper's
appendix F. Texts seen: how many training texts a system learnt from, repeats counted, the detached shadow's without those that
the base answered through it (docs/training-log.md, "How many texts were seen"). The AUROC says how well the best skill's probability (for answering models: that
their answer begins with a tag; – where it was not kept) tells rows out of scope from commands."""

LATENCY = """Measured on {machine}, {rows} texts, one after the other, interleaved; each runs its prompt behind
a cached system prompt and as many greedy steps as the right tag has tokens, the edge its first pass: what that defers it reads
again (docs/decisions/0017), up to six passes more before the cloud is asked. The network
between edge and cloud comes on top, for every row of LoRA and DoRA, and for the deferred rows of the deployed
system. LoRA and DoRA can be merged into the base without a trace."""

MISTAKES = """A row out of scope that a system acts on moves a real dog. A skill is invented where an answer
holds a name in brackets that the catalogue does not have; it moves nothing, and is shown because the paper
counts it as a hallucination. The detached shadow and the edge cannot invent one: they score 35 tags."""

BELIEFS = """A skill of the cloud's passes where the edge holds it possible. What the rule's least belief comes to, on the
calibration rows (not the tests); 0 is no rule at all:"""

CALIBRATION = """A temperature is fitted on `calibration.jsonl`, `calibration_late.jsonl` and `calibration_plain.jsonl` and folded into the shadow's norm; thresholds are then
chosen there by Learn-then-Test (`cloud_server/training/thresholds.py`), those on the confidence of both readers as well. In the first picture a dot is where a system's own thresholds put it; a curve stands for the
bare posterior, for the edge for the confidence of both, so that tiers' different thresholds may put the dot beside it."""

ABLATIONS = """Each has the same recipe, base and seed as the shipped shadow, and lacks one thing. **Where the texts seen differ, it
stands on the shadow shipped before, and the comparison is not one of that thing alone**; docs/training-log.md has the like
with the like. Detached ones use their own thresholds, chosen by the same rule, so that compare both the commands right and the acts
out of scope."""

ANSWERS = """To the {n} general requests of the tests, by code (`cloud_server/evaluation/answers.py`): the language by
script; a loop is a piece of four characters or more three times in a row, or a sentence three times; a sane
length is 2 to 400 English or 1 to 200 Chinese characters. As deployed: what `POST /v1/intents` says to those that
the edge hands over, which ends before it says the same a third time (`cloud_server/engine/loop_stop.py`) and takes no skill
into the mouth that is not passed on; the attached shadow alone: its bare words, tag and all; both cut at 48 tokens, where the service
gives 128 unless asked for less. Whether an answer is true is not measured here: a base of 270 M
parameters gets many facts wrong."""

MADE = """Each file's first line says on what it was made, with the hashes of its rows and of the adapter; predictions of other rows are
refused, and it is said above where edge, detached and attached shadow are not one. To make them again (the tests are `test_normal`, `test_remote`, `test_remote_extra` and `test_extra`):

```
cloud-server train gemma-270m                     # recipes: cloud_server/training/recipes/; then gemma-270m-on,
                                                  # gemma-270m-attached and ship-change: what is shipped came in steps (its card)
cloud-server predict detached --data DATA ...     # the tests, calibration, docs/evaluation/table3_inputs.jsonl
cloud-server predict detached --uncalibrated ...  # with calibration_late and calibration_plain: its thresholds are chosen anew
cloud-server predict attached ...                 # the same rows
cloud-server predict low_rank --adapter RUN ...   # LoRA and DoRA: the tests and table 3
edge-agent evaluate --data DATA ... --predictions docs/evaluation/predictions/edge.jsonl --report REPORT
python benchmarks/system_latency.py --full --out docs/evaluation/latency.json
make evaluation
```"""
