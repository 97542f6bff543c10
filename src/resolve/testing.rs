//! Layers for the tests of this room.

use std::sync::Arc;

use bytes::Bytes;

use super::Layer;
use crate::model::{Limits, ObjectId, Value};
use crate::snapshot::{Blobs, Snapshot, Update};

struct Nothing;

impl Blobs for Nothing {
    fn content(&self, _: ObjectId) -> Option<Bytes> {
        None
    }
}

/// A layer of these files, each with what it says as JSON.
pub fn layer_of(environment: &str, files: &[(&str, &str)]) -> Layer {
    let updates = files.iter().map(|(file, json)| Update {
        file: (*file).into(),
        blob: Some(ObjectId::from_bytes([1; 20])),
        value: Some(Value::from_json(json).unwrap()),
    });
    let snapshot = Snapshot::default();
    let plan = snapshot.plan(updates.collect(), &Nothing, &Limits::default());
    let snapshot = snapshot.apply(plan, &mut |_| None);
    Layer { environment: environment.into(), snapshot: Arc::new(snapshot) }
}

/// A layer whose file `a.yaml` holds this; without it when none.
pub fn layer(environment: &str, json: Option<&str>) -> Layer {
    let file = json.map(|json| ("a.yaml", json));
    layer_of(environment, &file.into_iter().collect::<Vec<_>>())
}
