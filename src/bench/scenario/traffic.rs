//! Requests of the scenarios.

use std::sync::Arc;

use crate::bench::confgit::{entry_target, value_target};
use crate::bench::data::{Shape, Values};
use crate::bench::load::{Origin, Traffic};

/// Requests made once and sent in random order, so that making them costs the load nothing.
#[derive(Clone)]
pub struct Reads(Arc<[Vec<u8>]>);

impl Reads {
    /// GETs of so many entries, chosen at random.
    pub fn of_values(origin: &Origin, shape: &Shape, count: usize) -> Self {
        let mut dice = Values::new(42);
        Reads(
            (0..count).map(|_| origin.get(&value_target(&shape.path(dice.index(shape.entries()))))).collect(),
        )
    }

    /// GETs of these addresses.
    pub fn of_targets(origin: &Origin, targets: &[String]) -> Self {
        Reads(targets.iter().map(|target| origin.get(target)).collect())
    }

    /// GETs of one address.
    pub fn of_one(origin: &Origin, target: &str) -> Self {
        Reads(Arc::new([origin.get(target)]))
    }

    /// The traffic of one client.
    pub fn traffic(&self, number: usize) -> Traffic {
        let requests = self.0.clone();
        let mut dice = Values::new(number as u64);
        Box::new(move |out| out.extend_from_slice(&requests[dice.index(requests.len())]))
    }
}

/// PUTs of new values at entries chosen at random, for one client.
pub fn writes(origin: &Origin, shape: Shape, number: usize) -> Traffic {
    writes_at(origin, number, shape.value_bytes, move |dice| shape.path(dice.index(shape.entries())))
}

/// PUTs of new values at entries of the large document, for one client.
pub fn large_writes(origin: &Origin, shape: Shape, number: usize) -> Traffic {
    writes_at(origin, number, shape.value_bytes, move |dice| {
        shape.large_path(dice.index(shape.large_entries))
    })
}

fn writes_at(
    origin: &Origin,
    number: usize,
    value_bytes: usize,
    path: impl Fn(&mut Values) -> String + Send + 'static,
) -> Traffic {
    let origin = origin.clone();
    let mut values = Values::new(1_000_000 + number as u64);
    Box::new(move |out| {
        let target = entry_target(&path(&mut values));
        let json = format!("{{\"value\":\"{}\"}}", values.next(value_bytes));
        origin.put(&target, &json, out);
    })
}
