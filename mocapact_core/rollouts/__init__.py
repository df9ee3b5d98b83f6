"""The dataset: noisy episodes of the experts, from making it to sharing it.

Making    `collect`, into files of the `layout`; `measure` a file, merge its `statistics` into the `metrics` of all
Reading   `dataset`, batches for training; `transitions`, steps for offline reinforcement learning. Under them: `index`
          of episodes, `drawing` at random, `mapping` of files into memory, `packing` of those that cannot be, `rows`
Trusting  `validate` a file by its `checks`; `replay` what was `recorded`, with a `replay_report`; `restore` compact files
Sharing   `minari` datasets, with `minari_metadata`, `scores` and the `outline` of files; the data `card`, with its
          `card_text` and `summary`
"""
