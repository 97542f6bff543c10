use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Path, PathError, Value};
use crate::service::{AskedPromotion, Choice, Resolution, Resolving, Take};
use crate::wire;

/// Why a promotion cannot be asked for so.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// A path that is none.
    #[error("`{text}` is no path: {reason}")]
    Path {
        /// What was given.
        text: String,
        /// Why.
        reason: PathError,
    },
    /// A resolution that says nothing, or too much.
    #[error("the resolution of {path} {reason}")]
    Resolution {
        /// Of which path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Two resolutions of one path.
    #[error("`resolutions` names {path} twice")]
    Twice {
        /// The path.
        path: Path,
    },
    /// More resolutions than one request may have.
    #[error("`resolutions` has more than {} members", wire::MOST_RESOLUTIONS)]
    TooMany,
}

/// A promotion as it travels, read.
pub fn asked_promotion(asked: wire::Promote) -> Result<AskedPromotion, PromotionError> {
    let resolutions = resolutions(asked.resolutions)?;
    Ok(AskedPromotion {
        from: Arc::from(asked.from),
        to: Arc::from(asked.to),
        path: asked.path.as_deref().map_or_else(|| Ok(Path::root()), path_of)?,
        take: asked.take.map(take),
        resolutions,
    })
}

/// What becomes of the conflicts of a proposal, read.
pub fn resolving(
    side: Option<wire::Side>,
    given: BTreeMap<String, BTreeMap<String, wire::Resolution>>,
) -> Result<Resolving, PromotionError> {
    if given.values().map(BTreeMap::len).sum::<usize>() > wire::MOST_RESOLUTIONS {
        return Err(PromotionError::TooMany);
    }
    let given = given.into_iter().map(|(environment, given)| Ok((environment, resolutions(given)?)));
    Ok(Resolving { take: side.map(take), resolutions: given.collect::<Result<_, PromotionError>>()? })
}

fn path_of(text: &str) -> Result<Path, PromotionError> {
    text.parse().map_err(|reason| PromotionError::Path { text: text.to_owned(), reason })
}

fn resolutions(
    given: BTreeMap<String, wire::Resolution>,
) -> Result<BTreeMap<Path, Resolution>, PromotionError> {
    if given.len() > wire::MOST_RESOLUTIONS {
        return Err(PromotionError::TooMany);
    }
    let mut resolutions = BTreeMap::new();
    for (text, given) in given {
        let (path, resolution) = (path_of(&text)?, resolution(&text, given)?);
        if resolutions.insert(path.clone(), resolution).is_some() {
            return Err(PromotionError::Twice { path });
        }
    }
    Ok(resolutions)
}

fn resolution(path: &str, given: wire::Resolution) -> Result<Resolution, PromotionError> {
    let wrong = |reason: String| PromotionError::Resolution { path: path.to_owned(), reason };
    let wire::Resolution { id, take: side, value, delete } = given;
    let choice = match (side, value, delete) {
        (Some(side), None, None) => Choice::Take(take(side)),
        (None, Some(value), None) => {
            let read = Value::from_json(value.get());
            Choice::Value(read.map_err(|error| wrong(format!("has a `value` that is no JSON: {error}")))?)
        }
        (None, None, Some(true)) => Choice::Delete,
        _ => return Err(wrong("has one of `take`, `value` and `delete`".to_owned())),
    };
    Ok(Resolution { id, choice })
}

fn take(side: wire::Side) -> Take {
    match side {
        wire::Side::Ours => Take::Ours,
        wire::Side::Theirs => Take::Theirs,
    }
}
