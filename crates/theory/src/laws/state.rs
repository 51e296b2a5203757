//! Everything that moves in a run, in f64, at one moment.

use realign::checkpoint::Checkpoint;
use realign::train::Trainer;
use realign_tensor::Tensor;

/// One weighted layer. Matrices are row by row, outputs x inputs.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// Outputs.
    pub rows: usize,
    /// Inputs (times filter taps).
    pub cols: usize,
    /// W.
    pub weight: Vec<f64>,
    /// b, or nothing.
    pub bias: Vec<f64>,
    /// B, if there is one.
    pub feedback: Option<Vec<f64>>,
    /// Momentum of W and of b; empty without.
    pub velocity: [Vec<f64>; 2],
}

/// All weighted layers from the input up.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The layers.
    pub layers: Vec<Layer>,
}

impl State {
    /// Where a run is.
    pub fn of(trainer: &Trainer) -> State {
        State::from(&trainer.checkpoint())
    }
}

impl From<&Checkpoint> for State {
    fn from(c: &Checkpoint) -> State {
        let numbers = |name: String| c.get(&name).map(Tensor::to_f64_vec);
        let layer = |i: usize| {
            let w = c.get(&format!("layers.{i}.weight"))?;
            let velocity =
                |p: &str| numbers(format!("optimizer.layers.{i}.{p}.momentum")).unwrap_or_default();
            Some(Layer {
                rows: w.rows(),
                cols: w.cols(),
                weight: w.to_f64_vec(),
                bias: numbers(format!("layers.{i}.bias")).unwrap_or_default(),
                feedback: numbers(format!("layers.{i}.feedback")),
                velocity: [velocity("weight"), velocity("bias")],
            })
        };
        State { layers: (0..).map_while(layer).collect() }
    }
}

impl Layer {
    /// Adds f(entry) of every row to `out`, one number per row; `bias` entries count with their row.
    pub(super) fn add_rows(&self, out: &mut [f64], matrix: &[f64], bias: &[f64]) {
        for (row, sum) in matrix.chunks(self.cols).zip(out.iter_mut()) {
            *sum += row.iter().sum::<f64>();
        }
        bias.iter().zip(out).for_each(|(b, sum)| *sum += b);
    }

    /// Adds the entries of every unit's columns to `out`: a unit has `cols / units` neighbouring columns.
    pub(super) fn add_columns(&self, out: &mut [f64], matrix: &[f64]) {
        let taps = (self.cols / out.len()).max(1);
        for row in matrix.chunks(self.cols) {
            for (unit, sum) in row.chunks(taps).zip(out.iter_mut()) {
                *sum += unit.iter().sum::<f64>();
            }
        }
    }
}
