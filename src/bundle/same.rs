use super::BundleFormat;

/// The annotations of an object of Kubernetes that tell when it was written.
const MOMENT: [&str; 2] = ["confgit/revision:", "confgit/sequence:"];

/// Whether two bundles of one path say the same, whenever each was written: who keeps a file need not write it anew
/// because something else was changed.
pub fn says_the_same(format: BundleFormat, one: &str, other: &str) -> bool {
    values(format, one).eq(values(format, other))
}

/// The lines without those that tell a revision and a change set.
fn values(format: BundleFormat, text: &str) -> impl Iterator<Item = &str> {
    let has_headline = format != BundleFormat::Lines && text.starts_with("# ");
    let is_manifest = matches!(format, BundleFormat::ConfigMap | BundleFormat::Secret);
    // Annotations are indented below `metadata`; a value may well hold such a line, below another member.
    let mut is_metadata = false;
    text.split('\n').skip(usize::from(has_headline)).filter(move |line| {
        if is_manifest && !line.starts_with([' ', '#']) {
            is_metadata = line.starts_with("metadata:");
        }
        !(is_metadata && MOMENT.iter().any(|name| line.trim_start().starts_with(name)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::origin;
    use super::super::{BundleEntry, BundleOrigin, write};
    use super::*;
    use crate::model::Value;

    fn written(format: BundleFormat, sequence: u64, value: &str) -> String {
        let origin = BundleOrigin { sequence, revision: format!("{sequence:040x}"), ..origin("/app") };
        let path = "/name".parse().unwrap();
        let entries = [BundleEntry { path, value: Value::from(value), has_secrets: false }];
        write(format, &origin, &entries).unwrap()
    }

    #[test]
    fn values_are_compared_and_not_when_they_were_written() {
        use BundleFormat::{ConfigMap, Env, Lines, Properties, Secret};
        for format in [Env, Properties, ConfigMap, Secret, Lines] {
            let first = written(format, 1, "one");
            assert!(says_the_same(format, &first, &written(format, 2, "one")), "{format:?}");
            assert!(!says_the_same(format, &first, &written(format, 2, "two")), "{format:?}");
        }
        assert_ne!(written(ConfigMap, 1, "one"), written(ConfigMap, 2, "one"));
        // What a value holds is a value, however it looks.
        for format in [Env, ConfigMap] {
            let first = written(format, 1, "# a\nconfgit/revision: 1\n");
            assert!(!says_the_same(format, &first, &written(format, 1, "# a\nconfgit/revision: 2\n")));
            assert!(!says_the_same(format, &first, &written(format, 1, "# b\nconfgit/revision: 1\n")));
        }
    }
}
