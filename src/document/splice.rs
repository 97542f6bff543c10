use std::ops::Range;

/// Replacements of byte ranges of one text, collected in any order and done at once.
#[derive(Debug, Default)]
pub(super) struct Splices {
    list: Vec<(Range<usize>, String)>,
}

impl Splices {
    /// Replaces a range of the old text. Ranges that share more than an end make [`Splices::join`] fail;
    /// at one offset, what was asked first comes first.
    pub(super) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        let text = text.into();
        if !range.is_empty() || !text.is_empty() {
            self.list.push((range, text));
        }
    }

    /// Whether anything is replaced or inserted at or up to this offset.
    pub(super) fn reaches(&self, offset: usize) -> bool {
        self.list.iter().any(|(range, _)| range.end >= offset)
    }

    /// The new text; the offset of a collision when two replacements overlap.
    pub(super) fn join(mut self, old: &str) -> Result<String, usize> {
        self.list.sort_by_key(|(range, _)| (range.start, range.end));
        let grown: usize = self.list.iter().map(|(_, text)| text.len()).sum();
        let mut new = String::with_capacity(old.len() + grown);
        let mut at = 0;
        for (range, text) in &self.list {
            let kept = old.get(at..range.start).ok_or(range.start)?;
            new.push_str(kept);
            new.push_str(text);
            at = range.end;
        }
        new.push_str(old.get(at..).ok_or(at)?);
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splices_apply_in_order_of_place() {
        let mut splices = Splices::default();
        splices.replace(4..5, "E");
        splices.replace(2..2, "+");
        splices.replace(0..2, "");
        splices.replace(2..2, "-");
        assert_eq!(splices.join("abcdef").unwrap(), "+-cdEf");
    }

    #[test]
    fn overlaps_are_noticed() {
        let mut splices = Splices::default();
        splices.replace(0..3, "x");
        splices.replace(2..4, "y");
        assert_eq!(splices.join("abcdef"), Err(2));
    }
}
