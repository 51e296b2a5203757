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

    /// Cuts `data` into runs of `len` elements and hands each, with its number, to `f`, on up to this many threads. The runs
    /// are the same for every number of threads.
    pub fn each_run<T: Send>(self, data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
        // Units have no size: this vector takes no memory.
        let mut units = vec![(); data.len().checked_div(len).unwrap_or(0)];
        self.each_pair(data, len, &mut units, 1, |i, run, _| f(i, run));
    }

    /// [`Par::each_run`] over two slices side by side, cut into as many runs of their own lengths.
    ///
    /// # Panics
    /// If the slices do not hold the same whole number of runs.
    #[track_caller]
    pub fn each_pair<A: Send, B: Send>(
        self,
        a: &mut [A],
        a_len: usize,
        b: &mut [B],
        b_len: usize,
        f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
    ) {
        let runs = a.len().checked_div(a_len).unwrap_or(0);
        assert!(
            runs * a_len == a.len() && runs * b_len == b.len(),
            "{} elements in runs of {a_len} beside {} in runs of {b_len}",
            a.len(),
            b.len()
        );
        split(self.count(), 0, (a, a_len), (b, b_len), &f);
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

fn split<A: Send, B: Send>(
    threads: usize,
    first: usize,
    (a, a_len): (&mut [A], usize),
    (b, b_len): (&mut [B], usize),
    f: &(impl Fn(usize, &mut [A], &mut [B]) + Sync),
) {
    let runs = a.len().checked_div(a_len).unwrap_or(0);
    if threads.min(runs) <= 1 {
        for (i, (a, b)) in a.chunks_exact_mut(a_len.max(1)).zip(b.chunks_exact_mut(b_len.max(1))).enumerate()
        {
            f(first + i, a, b);
        }
        return;
    }
    let left = threads / 2;
    let mid = (runs * left / threads).max(1);
    let ((a1, a2), (b1, b2)) = (a.split_at_mut(mid * a_len), b.split_at_mut(mid * b_len));
    rayon::join(
        || split(left, first, (a1, a_len), (b1, b_len), f),
        || split(threads - left, first + mid, (a2, a_len), (b2, b_len), f),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_visited_once_with_its_number() {
        for threads in 1..6 {
            for runs in 0..9 {
                let (mut a, mut b) = (vec![0usize; runs * 3], vec![0usize; runs * 2]);
                Par::threads(threads).each_pair(&mut a, 3, &mut b, 2, |i, a, b| {
                    a.iter_mut().chain(b).for_each(|v| *v += i + 1);
                });
                assert!(a.iter().enumerate().all(|(k, v)| *v == k / 3 + 1), "{threads} {runs}");
                assert!(b.iter().enumerate().all(|(k, v)| *v == k / 2 + 1), "{threads} {runs}");
            }
        }
    }
}
