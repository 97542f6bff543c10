use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Finding;
use crate::document;
use crate::model::{Limits, Path};
use crate::snapshot::base_path;

/// Finds where in their files findings are: each file is read once. `content` has what a layer's file holds.
pub fn place(findings: &mut [Finding], content: &dyn Fn(&str, &str) -> Option<Bytes>, limits: &Limits) {
    let mut by_file: HashMap<(Arc<str>, String), Vec<usize>> = HashMap::new();
    for (index, finding) in findings.iter().enumerate() {
        if let (Some(layer), Some(file), Some(_)) =
            (&finding.layer, &finding.diagnostic.file, &finding.diagnostic.path)
        {
            by_file.entry((layer.clone(), file.clone())).or_default().push(index);
        }
    }
    for ((layer, file), indexes) in by_file {
        let (Some(bytes), Ok(base)) = (content(&layer, &file), base_path(&file)) else { continue };
        let paths: Vec<&Path> =
            indexes.iter().filter_map(|index| findings[*index].diagnostic.path.as_ref()).collect();
        let positions = document::positions(&file, &base, &paths, &bytes, limits);
        for (index, position) in indexes.into_iter().zip(positions) {
            findings[index].diagnostic.position = position;
        }
    }
}
