"""The benchmark behind `benches/run`.

contestants: who plays, how each is built and started; scenarios: what is played by whom; machine: cores, quiet,
child processes; rounds: one play, and the order of all; goals: the numbers this project promises; report and chart:
what is written.
"""
