"""Rates that estimates are made with. Measured on one core of the server processor on which the project was written
(Intel Xeon, 2.3 GHz), November 2026. Those of a run that is under way take their place (`table.progress`)."""

STEP_SECONDS = 0.57e-3
"""CPU seconds of a control step of one world: physics, observables, reward (`python -m benchmarks.simulation`)."""
RECORDED_STEP_SECONDS = 0.15e-3
"""What it takes besides to write all numbers of a step to a rollout file, and to read them for the statistics."""
RESTORED_STEP_SECONDS = 0.1e-3
"""The same to restore observables of the reference (docs/rollouts.md: 65 to 120 microseconds)."""

WIDE, WIDE_FLOPS, NARROW_FLOPS = 512, 90e9, 40e9
"""Floating-point operations a second of networks: with hidden layers of WIDE units or more, and with narrower ones
(docs/distillation.md: 82 to 89 % and 28 to 36 % of 120e9 in trainings of the paper's and the demo's size)."""

START_SECONDS, LIGHT_START_SECONDS = 4.0, 0.5
"""CPU seconds until a script of the workflow has imported what it needs and made its worlds; and of one without worlds and
networks (the demo)."""
CLIP_SECONDS = 1.0
"""CPU seconds to make a clip (the demo)."""
WARM_START_SECONDS = {"inverse_dynamics": 90.0, "balance": 90.0, "sampling": 240.0}
"""CPU seconds of an expert's warm start: trainings of no steps of the built-in march, on two busy cores; balance was not
measured, but is inverse dynamics with one more feedback."""
FIGURE_SECONDS, VIDEO_SECONDS, STRIP_SECONDS = 1.0, 18.0, 5.0
"""CPU seconds of a table or figure, of a video, and of a row of poses (the demo)."""

STEP_BYTES, COMPACT_STEP_BYTES = 12_166, 1_774
"""Bytes of a recorded step with all observables, and with those that cannot be restored (docs/rollouts.md)."""
CLIP_STEP_BYTES, CLIP_BYTES = 3_400, 60_000
"""Bytes of a step of a clip, and of its file besides."""
WEIGHT_BYTES = 4
"""Bytes of a weight. An optimizer keeps two more numbers of each."""
EPISODE_BYTES = 60
"""Bytes of an evaluated episode, in one of the files of an evaluation."""
