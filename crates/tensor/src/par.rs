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

    /// [`Par::each_run`] with a last run that may be shorter; `f` is told where its run starts. For what is done entry by entry, where the cut
    /// changes no number.
    pub fn each_stretch<T: Send>(self, data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
        let len = len.max(1);
        let mut units = vec![(); data.len().div_ceil(len)];
        split(self.count(), 0, (data, len), (&mut units, 1), &|i, run: &mut [T], _: &mut [()]| {
            f(i * len, run);
        });
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

    /// Runs `f` where it can hand out work at once: with several threads on one of the pool's, so that the operations inside need not send for
    /// them one by one from outside, each time putting the caller to sleep.
    pub fn enter<R: Send>(self, f: impl FnOnce() -> R + Send) -> R {
        match self {
            Par::Seq => f(),
            Par::Threads(_) => rayon::scope(|_| f()),
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

fn split<A: Send, B: Send>(
    threads: usize,
    first: usize,
    (a, a_len): (&mut [A], usize),
    (b, b_len): (&mut [B], usize),
    f: &(impl Fn(usize, &mut [A], &mut [B]) + Sync),
) {
    let runs = a.len().div_ceil(a_len.max(1));
    if threads.min(runs) <= 1 {
        for (i, (a, b)) in a.chunks_mut(a_len.max(1)).zip(b.chunks_mut(b_len.max(1))).enumerate() {
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
    fn every_entry_of_a_stretch_is_visited_once_and_knows_its_place() {
        for threads in 1..6 {
            for n in 0..20 {
                for len in 0..7 {
                    let mut a = vec![0usize; n];
                    Par::threads(threads).each_stretch(&mut a, len, |start, run| {
                        assert!(run.len() == len.max(1) || start + run.len() == n);
                        run.iter_mut().enumerate().for_each(|(k, v)| *v += start + k + 1);
                    });
                    assert!(a.iter().enumerate().all(|(k, v)| *v == k + 1), "{threads} {n} {len}");
                }
            }
        }
    }

    #[test]
    fn what_is_entered_is_done_and_answers() {
        for threads in 1..4 {
            let (par, mut data) = (Par::threads(threads), vec![0; 10]);
            let answer = par.enter(|| {
                par.each_run(&mut data, 2, |i, run| run.fill(i));
                par.enter(|| 7)
            });
            assert_eq!((answer, data), (7, vec![0, 0, 1, 1, 2, 2, 3, 3, 4, 4]));
        }
    }

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
