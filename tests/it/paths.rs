//! Paths, whatever they are made of.

use confgit::model::Path;
use proptest::prelude::*;

fn segment() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[a-z%/2Ff5.]{1,6}", "\\PC{1,5}"].prop_filter("no path may have it", |text| {
        text != "." && text != ".." && !text.chars().any(char::is_control)
    })
}

proptest! {
    /// The text form of a path names that path and no other.
    #[test]
    fn text_and_segments_are_one(segments in prop::collection::vec(segment(), 0..8)) {
        let path = Path::from_segments(&segments).unwrap();
        let read: Path = path.as_str().parse().unwrap();
        prop_assert_eq!(&read, &path);
        prop_assert_eq!(read.segments().map(|s| s.into_owned()).collect::<Vec<_>>(), segments.clone());
        let parent = path.parent();
        prop_assert_eq!(parent.is_none(), segments.is_empty());
        if let (Some(parent), Some(name)) = (parent, path.name()) {
            prop_assert!(parent.is_prefix_of(&path) && !path.is_prefix_of(&parent));
            prop_assert_eq!(parent.child(&name).unwrap(), path.clone());
            prop_assert_eq!(parent.join(&path.strip_prefix(&parent).unwrap()).unwrap(), path);
        }
    }

    /// Any text either is a path within the limits or says why not.
    #[test]
    fn any_text_is_judged(text in "\\PC{0,60}|[/a%.\u{0}-\u{1f}]{0,40}|(/[a-z]{1,40}){0,40}") {
        match text.parse::<Path>() {
            Ok(path) => {
                prop_assert!(path.as_str().len() <= Path::MAX_BYTES);
                prop_assert!(path.segments().count() <= Path::MAX_SEGMENTS);
                prop_assert_eq!(path.as_str().parse::<Path>().unwrap(), path);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
