//! Parts of a sweep: shard i of n has the runs i, i + n, i + 2n, ... of the list, so parts are of equal length to within one run and
//! slow settings, which lie together in a grid, are spread over all of them.

use std::fmt;
use std::str::FromStr;

/// Part `index` of `count`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Whether run number `i` of the list belongs to this part.
    pub fn has(self, i: usize) -> bool {
        i % self.count == self.index
    }

    /// The members of a list that belong to this part.
    pub fn of<T: Clone>(self, list: &[T]) -> Vec<T> {
        list.iter().skip(self.index).step_by(self.count).cloned().collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        match parts {
            Some((index, count)) if index < count => Ok(Shard { index, count }),
            _ => Err(format!("\"{text}\": expected I/N with I from 0 to N-1, like 0/4")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_in_exactly_one_part() {
        for (runs, count) in [(0, 3), (1, 4), (10, 1), (10, 3), (12, 4), (3, 7)] {
            let list: Vec<usize> = (0..runs).collect();
            let mut all = Vec::new();
            for index in 0..count {
                let shard: Shard = format!("{index}/{count}").parse().unwrap();
                let part = shard.of(&list);
                assert!(part.len().abs_diff(runs / count) <= 1);
                assert!(part.iter().all(|i| shard.has(*i)));
                all.extend(part);
            }
            all.sort_unstable();
            assert_eq!(all, list);
        }
        for wrong in ["3/3", "-1/2", "1", "a/b", "0/0", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
