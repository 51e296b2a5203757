//! Everything that moves in a run, in f64, at one moment.

use realign::checkpoint::Checkpoint;
use realign::init::Feedback;
use realign::network::Network;
use realign::streams::Columns;
use realign::train::Trainer;
use realign_tensor::{Shape, Tensor};

/// One weighted layer. Matrices are row by row, outputs x inputs.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Shape of W, outputs first.
    pub shape: Shape,
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

    /// Weights, biases and feedback weights as they are; no velocities.
    pub(crate) fn now(net: &Network, feedback: &Feedback) -> State {
        let layer = |&node| {
            let w = net.weight(node);
            Layer {
                shape: w.shape(),
                rows: w.rows(),
                cols: w.cols(),
                weight: w.to_f64_vec(),
                bias: net.layer(node).bias().map(Tensor::to_f64_vec).unwrap_or_default(),
                feedback: feedback.at(node).map(Tensor::to_f64_vec),
                velocity: Default::default(),
            }
        };
        State { layers: net.weighted().iter().map(layer).collect() }
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
                shape: w.shape(),
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

    /// Adds the entries of every unit's columns to `out`.
    pub(super) fn add_columns(&self, out: &mut [f64], matrix: &[f64]) {
        let columns = Columns::of(self.shape, out.len());
        for (r, row) in matrix.chunks(self.cols).enumerate() {
            columns.add_row(r, row, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two groups of three filters, each reading two of four channels with 2 taps: entries that name their channel, against their number.
    #[test]
    fn columns_of_grouped_filters_go_to_the_channels_they_read() {
        let shape = Shape::new(&[6, 2, 1, 2]);
        let layer = Layer {
            shape,
            rows: 6,
            cols: 4,
            weight: vec![0.0; 24],
            bias: vec![],
            feedback: None,
            velocity: Default::default(),
        };
        let entry = |i: usize| (1 + i / 12 * 2 + i / 2 % 2) as f64;
        let mut out = vec![10.0; 4];
        layer.add_columns(&mut out, &(0..24).map(entry).collect::<Vec<_>>());
        // Six entries of each channel's own number, added to what was there.
        assert_eq!(out, [16.0, 22.0, 28.0, 34.0]);
    }
}
