//! How many threads one operation may use. No result depends on it.

/// Threads for one operation. The bits of every result are the same for every value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Par {
    /// On the calling thread.
    #[default]
    Seq,
    /// On up to this many threads of the global pool (at least 1).
    Threads(usize),
}

impl Par {
    /// `n` threads; 0 and 1 mean the calling thread.
    pub fn threads(n: usize) -> Self {
        if n <= 1 { Par::Seq } else { Par::Threads(n) }
    }

    /// How many threads this allows.
    pub fn count(self) -> usize {
        match self {
            Par::Seq => 1,
            Par::Threads(n) => n.max(1),
        }
    }

    pub(crate) fn faer(self) -> faer::Par {
        match self {
            Par::Seq => faer::Par::Seq,
            Par::Threads(n) => faer::Par::rayon(n.max(1)),
        }
    }

    /// Runs both closures, side by side if this allows more than one thread.
    pub fn join(self, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
        match self {
            Par::Seq => {
                a();
                b();
            }
            Par::Threads(_) => {
                rayon::join(a, b);
            }
        }
    }
}
