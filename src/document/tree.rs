use std::borrow::Cow;

/// How a scalar is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// A tag of the YAML core schema, the only ones there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Str,
    Int,
    Float,
    Bool,
    Null,
    Map,
    Seq,
}

/// What a node is. The children of a collection follow it in the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    /// Text, unescaped, and how it was spelled.
    Scalar { text: Cow<'a, str>, style: Style },
    /// A list.
    Sequence { flow: bool },
    /// Keys and values in turn.
    Mapping { flow: bool },
    /// What the node of this index says.
    Alias(u32),
}

/// One node with the bytes it takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'a> {
    /// Where its properties (anchor, tag) begin; `start` when it has none.
    pub(super) outer: u32,
    /// Where it begins. A block collection begins somewhere on its first line.
    pub(super) start: u32,
    /// Where its last byte ends; for a node that is left empty the same as `start`.
    pub(super) end: u32,
    /// The index of the node after it and all below it.
    pub(super) next: u32,
    pub(super) kind: Kind<'a>,
    pub(super) tag: Option<Tag>,
    /// The last alias that names its anchor; 0 when none does, since the root is no alias.
    pub(super) last_alias: u32,
}

/// The nodes of one document in the order of the text, each before its children; the first is the root.
///
/// Indices instead of boxes keep a tree in one allocation: reading is the hot path of the server.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
}

/// A key and its value, as indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: u32,
    pub(super) value: u32,
}

impl<'a> Tree<'a> {
    pub(super) fn node(&self, index: u32) -> &Node<'a> {
        &self.nodes[index as usize]
    }

    /// The children of a sequence.
    pub(super) fn items(&self, parent: u32) -> impl Iterator<Item = u32> + '_ {
        let stop = self.node(parent).next;
        let item = move |at: u32| (at < stop).then_some(at);
        std::iter::successors(item(parent + 1), move |&at| item(self.node(at).next))
    }

    /// The entries of a mapping.
    pub(super) fn entries(&self, parent: u32) -> impl Iterator<Item = Entry> + '_ {
        let stop = self.node(parent).next;
        let entry = move |key: u32| (key < stop).then(|| Entry { key, value: self.node(key).next });
        std::iter::successors(entry(parent + 1), move |last| entry(self.node(last.value).next))
    }

    /// The text of a scalar; empty for anything else.
    pub(super) fn text(&self, index: u32) -> &str {
        match &self.node(index).kind {
            Kind::Scalar { text, .. } => text,
            _ => "",
        }
    }

    /// Whether a node is a plain scalar without a single character: a value left out.
    pub(super) fn is_left_empty(&self, index: u32) -> bool {
        let node = self.node(index);
        node.start == node.end && matches!(node.kind, Kind::Scalar { style: Style::Plain, .. })
    }

    /// Where a node's bytes are.
    pub(super) fn span(&self, index: u32) -> std::ops::Range<usize> {
        self.node(index).start as usize..self.node(index).end as usize
    }

    /// Where the key stands that these keys lead to, aliases followed and merges looked into. A number leads to an
    /// item of a sequence.
    pub(super) fn find(&self, keys: &[impl AsRef<str>]) -> Option<usize> {
        let mut at = 0;
        let mut offset = 0;
        for key in keys {
            if let Kind::Sequence { .. } = self.nodes.get(at as usize)?.kind {
                at = self.items(at).nth(key.as_ref().parse().ok()?)?;
                offset = self.node(at).start as usize;
                continue;
            }
            let entry = self.entry_of(at, key.as_ref(), 0)?;
            offset = self.node(entry.key).start as usize;
            at = entry.value;
        }
        Some(offset)
    }

    /// The entry of a mapping or of what it merges; merges of merges are followed a few times only, since
    /// this is for showing a place.
    fn entry_of(&self, index: u32, key: &str, merges: usize) -> Option<Entry> {
        let index = match self.nodes.get(index as usize)?.kind {
            Kind::Alias(target) => target,
            _ => index,
        };
        match self.node(index).kind {
            Kind::Mapping { .. } => {}
            Kind::Sequence { .. } if merges > 0 => {
                return self.items(index).find_map(|item| self.entry_of(item, key, merges));
            }
            _ => return None,
        }
        let own = self.entries(index).find(|entry| self.text(entry.key) == key);
        own.or_else(|| {
            let merge = self.entries(index).find(|entry| self.text(entry.key) == "<<")?;
            if merges < 4 { self.entry_of(merge.value, key, merges + 1) } else { None }
        })
    }
}
