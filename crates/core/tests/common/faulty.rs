//! A layer with a fault in its backward pass, for tests that must find it.

use realign::layer::batch_norm::Backward;
use realign::layer::{Layer, Pass, Seen};
use realign::tensor::{Par, Shape, SliceMut, Tensor, ops::Accum};
use std::ops::Range;

/// Spoils the error at the input: the layer, what it saw, the error at its output, and the right error at its input.
pub type Spoil<L> = Box<dyn Fn(&L, Seen<'_>, &Tensor, &mut Tensor) + Send + Sync>;

/// `layer` in all but its error at the input.
pub struct Faulty<L> {
    pub layer: L,
    pub spoil: Spoil<L>,
}

impl<L: Layer> Layer for Faulty<L> {
    fn kind(&self) -> &'static str {
        "faulty"
    }
    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        self.layer.output_shape(input)
    }
    fn forward(&self, x: &Tensor, y: &mut Tensor, aux: &mut Tensor, pass: Pass<'_>) {
        self.layer.forward(x, y, aux, pass);
    }
    fn error_back(&self, w: Option<&Tensor>, s: Seen<'_>, d: &Tensor, dx: &mut Tensor, a: Accum, p: Par) {
        assert_eq!(a, Accum::Replace, "nothing else may be spoilt: chains only");
        self.layer.error_back(w, s, d, dx, a, p);
        (self.spoil)(&self.layer, s, d, dx);
    }
    fn weight_grad(&self, s: Seen<'_>, d: &Tensor, rows: Range<usize>, g: SliceMut<'_>, par: Par) {
        self.layer.weight_grad(s, d, rows, g, par);
    }
    fn block_rows(&self, rows: usize, cols: usize) -> usize {
        self.layer.block_rows(rows, cols)
    }
    fn sums(&self, s: Seen<'_>, d: &Tensor, out: &mut Vec<f64>, par: Par) {
        self.layer.sums(s, d, out, par);
    }
    fn bias_grad(&self, s: Seen<'_>, d: &Tensor, g: &mut Tensor, par: Par) {
        self.layer.bias_grad(s, d, g, par);
    }
    fn weight(&self) -> Option<&Tensor> {
        self.layer.weight()
    }
    fn bias(&self) -> Option<&Tensor> {
        self.layer.bias()
    }
    fn params_mut(&mut self) -> (Option<&mut Tensor>, Option<&mut Tensor>) {
        self.layer.params_mut()
    }
    fn fans(&self) -> (usize, usize) {
        self.layer.fans()
    }
    fn carried(&self) -> bool {
        self.layer.carried()
    }
    fn statistics(&self) -> Option<Backward> {
        self.layer.statistics()
    }
    fn balance(&self, s: Seen<'_>, d: &Tensor, out: &mut Vec<f64>, par: Par) {
        self.layer.balance(s, d, out, par);
    }
    fn absorb(&mut self, s: Seen<'_>) {
        self.layer.absorb(s);
    }
    fn buffers(&self) -> Vec<(&'static str, &Tensor)> {
        self.layer.buffers()
    }
    fn buffers_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        self.layer.buffers_mut()
    }
    fn padding(&self) -> [usize; 2] {
        self.layer.padding()
    }
    fn homogeneous(&self) -> bool {
        self.layer.homogeneous()
    }
}

/// Makes every entry `factor` times as large.
pub fn scaled(dx: &mut Tensor, factor: f64) {
    (0..dx.numel()).for_each(|i| dx.set(i, factor * dx.at(i)));
}
