use crate::model::Path;

/// How many bytes of values a page holds at most, unless a single one is larger.
pub(super) const MOST_PAGE_BYTES: usize = 16 << 20;

/// Which part of a list sorted by path is wanted.
#[derive(Debug, Clone)]
pub struct PathPage {
    /// The path after which it begins.
    pub after: Option<Path>,
    /// How many items it has at most.
    pub limit: usize,
}

impl PathPage {
    /// The part of a sorted list, and the path after which the next one begins; `bytes` tells how much an item is.
    pub(super) fn cut<T>(
        &self,
        mut items: Vec<T>,
        path: impl Fn(&T) -> &Path,
        bytes: impl Fn(&T) -> usize,
    ) -> (Vec<T>, Option<Path>) {
        if let Some(after) = &self.after {
            let begins = items.partition_point(|item| path(item) <= after);
            items.drain(..begins);
        }
        let mut room = PageRoom::default();
        let taken = items.iter().take(self.limit).take_while(|item| room.takes(bytes(item))).count();
        let has_more = taken < items.len();
        items.truncate(taken);
        let next = if has_more { items.last().map(|last| path(last).clone()) } else { None };
        (items, next)
    }
}

/// The room that is left for the values of a page.
#[derive(Debug, Default)]
pub(super) struct PageRoom {
    items: usize,
    bytes: usize,
}

impl PageRoom {
    /// Whether an item of so many bytes still goes on the page, as the first one always does.
    pub fn takes(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.items += 1;
        self.items == 1 || self.bytes <= MOST_PAGE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_by_count_or_by_bytes() {
        let items = || ["/a", "/b", "/c", "/d"].map(|path| path.parse::<Path>().unwrap()).to_vec();
        let cut = |after: Option<&str>, limit, bytes: usize| {
            let page = PathPage { after: after.map(|path| path.parse().unwrap()), limit };
            let (items, next) = page.cut(items(), |path| path, |_| bytes);
            (items.len(), next.map(|next| next.to_string()))
        };
        assert_eq!(cut(None, 10, 1), (4, None));
        assert_eq!(cut(None, 4, 1), (4, None));
        assert_eq!(cut(None, 2, 1), (2, Some("/b".to_owned())));
        assert_eq!(cut(Some("/b"), 2, 1), (2, None));
        assert_eq!(cut(None, 10, MOST_PAGE_BYTES / 3), (3, Some("/c".to_owned())));
        assert_eq!(cut(Some("/c"), 10, MOST_PAGE_BYTES + 1), (1, None));
        assert_eq!(cut(None, 10, usize::MAX), (1, Some("/a".to_owned())));
    }
}
