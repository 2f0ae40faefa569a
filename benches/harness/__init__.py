"""The benchmark behind `benches/run`.

`contestants`: how each server is built and started. `scenarios`: the scenarios and their contestants. `machine`: cores,
load and child processes. `rounds`: one play, and the order of all plays. `goals`: the goals of this project. `report` and
`chart`: the output.
"""
