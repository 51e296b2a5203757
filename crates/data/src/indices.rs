/*!
Ascending positions in few words: a number is itself, a pair `[first, last]` is every position from first to last, both included. So
`[0, 1, 5]` is a list as older versions wrote it, and 60,000 examples in a row are `[[0, 59999]]`.
*/

use crate::config::MANY;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Shorter runs take no more room as numbers.
const SHORTEST_RUN: usize = 3;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    One(usize),
    Run([usize; 2]),
}

/// For `serde(with)`.
pub(crate) fn serialize<S: Serializer>(indices: &[usize], to: S) -> Result<S::Ok, S::Error> {
    let runs = indices.chunk_by(|a, b| a + 1 == *b);
    let parts = runs.flat_map(|run| match run {
        [first, .., last] if run.len() >= SHORTEST_RUN => vec![Part::Run([*first, *last])],
        few => few.iter().map(|i| Part::One(*i)).collect(),
    });
    to.collect_seq(parts)
}

/// For `serde(with)`; refuses what does not ascend, and positions of more examples than fit in memory.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<usize>, D::Error> {
    let mut indices: Vec<usize> = Vec::new();
    for part in Vec::<Part>::deserialize(from)? {
        let (first, last) = match part {
            Part::One(i) => (i, i),
            Part::Run([first, last]) => (first, last),
        };
        if last >= MANY || first > last || indices.last().is_some_and(|before| *before >= first) {
            let message = format!("positions must ascend and be below {MANY}; {first} to {last} does not");
            return Err(D::Error::custom(message));
        }
        indices.extend(first..=last);
    }
    Ok(indices)
}

/// The same for a list that may be missing.
pub(crate) mod maybe {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct List(#[serde(with = "super")] Vec<usize>);

    pub(crate) fn serialize<S: Serializer>(list: &Option<Vec<usize>>, to: S) -> Result<S::Ok, S::Error> {
        list.clone().map(List).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<usize>>, D::Error> {
        Ok(Option::<List>::deserialize(from)?.map(|list| list.0))
    }
}
