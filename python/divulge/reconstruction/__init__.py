"""Exact reconstruction of ReLU networks from what an oracle answers.

The way of `reconstruct(oracle)`, file by file:

1. `entry` checks the arguments and chooses an `approach` by what answers hold: values, gradients, or both.
   It is the only place that asks what kind of oracle this is. `session` holds the conversation: the record of
   each output's answers, what they cost, notes, progress.
2. Where inputs are images `stage_convolutional` looks whether the first jumps are those of a convolution, and
   has such a network taken apart, which ends with the result.
3. `stage_one_layer` searches one hidden layer behind the oracle's own output. What does not fit one hidden
   layer goes to `stage_many_layers`, which ends with the result (asking `within_row_space` where inputs are
   many and few combinations count); else the other outputs are solved for.
4. `stage_finish` has the units turned to their active sides (`network/orientation`), refits, has the copy
   judged by fresh answers (`falsification`), and puts the `result` together. A copy that these refute is
   searched on: `entry` tries one hidden layer again through the points where it was wrong, then many. The
   `certificate` says what was asked; `notes` are the kinds of things there are to say. `fresh_queries` are
   the few by which a search ends.

`batch` does the same for many small victims in one native call. The rooms, and what each may do:

- `asking` is the only room that asks an oracle. `output` sends the queries; `pieces` (`pieces_from_values`)
  keeps the affine piece that each answer shows; `gradient_probe` and `value_probe` find kinks, pieces and
  slopes by one protocol, `probe`; `lines` are the lines walked; `native_search` is the bridge to the compiled
  kink search; `row_space` asks about a few combinations of the inputs; `noise_floor` measures noise,
  `probability_reach` how far logits can be told; `stopped` is where an exhausted budget, a failing oracle and
  Ctrl-C are caught.
- `network` is what is known, and asks nothing: `record` of answers, `units`, `fit`, `hidden_layer`,
  `known_layers` (a prefix of the network), `deep_network`, `orientation` (on which side the units of an only
  or last hidden layer are active), `named` (leaky units and the like, told from how they are read),
  `derivatives`.
- `one_layer` searches a single hidden layer: `by_decoding`, `kink_by_kink`, `by_gradients_alone`,
  `by_values`, `under_noise`; `is_deeper` notices that there are more; `other_outputs`, `combine_outputs`,
  `average_noise`, `bisect_offsets` and `refit` make it whole and sharp.
- `deep` goes layer by layer from the input inwards: `attack` is its entry, `layer_by_layer` its loop,
  `units_of_layer` finds the units of one layer, `fit_as_last` fits an output on them; `searched_lines`
  holds what was searched, `partial_rows` what kinks tell of rows, `candidates` which of them are one unit,
  `evidence` and `confirm` (`confirm_together` for the first layer) whether it is one, `crossings` which of
  two reads the other; `narrow_layers` searches behind narrow layers, in `cells` by `cell_walks`;
  `unexplained_gradients` betray units of the first layer that lines missed, `weak_in_the_dark` meets weak
  ones where the others are off; `positive_features` are asked about in place of inputs where its rows are
  independent, and `whole_rows` of the second layer found there by `one_layer`'s search; `passage` notices
  that a layer's input is handed on beside it; `wide/` follows units behind such a layer, or behind a first
  one wider than its input (`search` is its entry, `follow` one unit, `sides`, `states`, `told_by_answers`,
  `joint_rows` what is concluded, `fitting` the output); `vertices` are where its hyperplanes meet;
  `missing_entries/` completes rows (`by_edges`, which calls `by_lifting` and `by_milp`), `orientation/`
  finds active sides behind many layers (`choose`, by one of `by_coefficients`, `by_spans`, `by_walking`,
  `beside_always_on`; `one_sided` tells units of a deeper layer among them), `last_layer` solves for outputs,
  `counterexamples` and `extreme_points` look for what is wrong or missing.
- `convolutional` takes networks of convolutions apart: `attack` is its entry; `walk` isolates the kinks that
  known `layers` do not explain; `first_layer` reads filters from them, by `patches` and `geometry`; `sides`
  reads active sides, pooling and the next kernel from kinks of the next layer, `next_layer` its channels, as
  `rows`, by what a `window` of features shows and where it has `aimed`; `last_sides` and `last_layer` solve
  for the outputs by `equations`; `judge` asks fresh queries, `misses` looks behind those a copy gets wrong;
  `network` builds the module.
- `explained` is for explanations made of gradients (`stage_explained`): `far_jumps` finds rows far out, where
  means of gradients are gradients, `levels` the offsets from counts of the steps of integrated gradients,
  `offsets` those from values, `copy` the other outputs; `span` (`stage_spanned`) the combinations of inputs
  within which values are asked where that does not end it.
- `falsification` tests finished copies where copies have been wrong: `judge` asks, `samples` names the ways
  inputs are drawn, `beside`, `few_features` and `extreme_rays` draw them.
- `refit` makes exact what differences of values left blunt.

`settings/` holds the numbers, with the reason for each: `tolerances` those that depend on noise, a file for
each group of rooms the others. docs/reconstruction.md has the mathematics.
"""

from divulge.reconstruction.batch import reconstruct_many
from divulge.reconstruction.entry import reconstruct
from divulge.reconstruction.network.hidden_layer import Sum
from divulge.reconstruction.notes import Note, NoteKind
from divulge.reconstruction.result import Progress, Reconstruction

__all__ = ["Note", "NoteKind", "Progress", "Reconstruction", "Sum", "reconstruct", "reconstruct_many"]
