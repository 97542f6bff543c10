use std::cmp::Ordering;
use std::sync::Arc;

use super::Node;

/// How many members a chunk has at most before it is split in two.
const MOST_IN_CHUNK: usize = 64;

/// So few members are looked at one by one: their cache lines are fetched side by side, where each step of a binary search waits
/// for the last.
const FEW: usize = 16;

/// The members of an object, sorted by name.
///
/// Sorted arrays of up to 64 members, each with the first eight bytes of its name beside it: finding one of
/// a hundred names touches a few cache lines, where a balanced tree of as many would follow a pointer per
/// comparison. Few members stand in the object itself, which is copied when one of them is another; of many, only the touched chunk
/// and the list of chunks are, and the others are shared with the list that it grew from.
#[derive(Debug, Clone)]
pub(super) enum Children {
    /// At most [`MOST_IN_CHUNK`].
    Few(Vec<Child>),
    /// At least one chunk, each with the prefix of its first name; none of them empty.
    Many(Vec<(u64, Arc<Vec<Child>>)>),
}

/// A member.
#[derive(Debug, Clone)]
pub(super) struct Child {
    prefix: u64,
    name: Arc<str>,
    node: Node,
}

/// How many bytes of a name stand beside it.
const PREFIX_BYTES: usize = 8;

/// The first bytes as a number whose order is that of the names.
fn prefix_of(name: &str) -> u64 {
    let mut first = [0; PREFIX_BYTES];
    let length = name.len().min(PREFIX_BYTES);
    first[..length].copy_from_slice(&name.as_bytes()[..length]);
    u64::from_be_bytes(first)
}

impl Child {
    fn is_before(&self, prefix: u64, name: &str) -> bool {
        self.prefix < prefix || (self.prefix == prefix && self.is_short_before(name))
    }

    /// The same where the first bytes agree. Of two names that are nothing else the shorter comes first: neither has to be
    /// looked at.
    fn is_short_before(&self, name: &str) -> bool {
        match self.name.len() <= PREFIX_BYTES && name.len() <= PREFIX_BYTES {
            true => self.name.len() < name.len(),
            false => *self.name < *name,
        }
    }

    fn is_called(&self, prefix: u64, name: &str) -> bool {
        let agrees = self.prefix == prefix && self.name.len() == name.len();
        agrees && (name.len() <= PREFIX_BYTES || *self.name == *name)
    }
}

/// Where a name is or would be.
fn place_of(children: &[Child], prefix: u64, name: &str) -> usize {
    if children.len() <= FEW {
        return children.iter().filter(|child| child.is_before(prefix, name)).count();
    }
    children.partition_point(|child| child.is_before(prefix, name))
}

/// The chunk in which a name is or would be.
fn chunk_of(chunks: &[(u64, Arc<Vec<Child>>)], prefix: u64, name: &str) -> usize {
    let after = chunks.partition_point(|(first, chunk)| {
        *first < prefix || (*first == prefix && chunk.first().is_some_and(|child| *child.name <= *name))
    });
    after.saturating_sub(1)
}

fn first_prefix(children: &[Child]) -> u64 {
    children.first().map_or(0, |child| child.prefix)
}

impl Default for Children {
    fn default() -> Self {
        Children::Few(Vec::new())
    }
}

impl Children {
    /// One member.
    pub fn get(&self, name: &str) -> Option<&Node> {
        let prefix = prefix_of(name);
        let children = match self {
            Children::Few(children) => children,
            Children::Many(chunks) => &chunks.get(chunk_of(chunks, prefix, name))?.1,
        };
        let at = place_of(children, prefix, name);
        children.get(at).filter(|child| child.is_called(prefix, name)).map(|child| &child.node)
    }

    /// One member, to be changed: what it is shared with keeps the old one.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        // Looked for first: what is not there makes no copy.
        self.get(name)?;
        let prefix = prefix_of(name);
        let children = match self {
            Children::Few(children) => children,
            Children::Many(chunks) => {
                let index = chunk_of(chunks, prefix, name);
                Arc::make_mut(&mut chunks.get_mut(index)?.1)
            }
        };
        let at = place_of(children, prefix, name);
        children.get_mut(at).map(|child| &mut child.node)
    }

    /// Adds a member that is not there yet.
    pub fn insert(&mut self, name: Arc<str>, node: Node) {
        let prefix = prefix_of(&name);
        match self {
            Children::Few(children) => {
                children.insert(place_of(children, prefix, &name), Child { prefix, name, node });
                if children.len() > MOST_IN_CHUNK {
                    let upper = children.split_off(MOST_IN_CHUNK / 2);
                    let chunks = [std::mem::take(children), upper];
                    let chunks = chunks.map(|chunk| (first_prefix(&chunk), Arc::new(chunk)));
                    *self = Children::Many(chunks.into());
                }
            }
            Children::Many(chunks) => {
                let index = chunk_of(chunks, prefix, &name);
                let Some((first, chunk)) = chunks.get_mut(index) else { return };
                let chunk = Arc::make_mut(chunk);
                chunk.insert(place_of(chunk, prefix, &name), Child { prefix, name, node });
                *first = first_prefix(chunk);
                if chunk.len() > MOST_IN_CHUNK {
                    let upper = chunk.split_off(MOST_IN_CHUNK / 2);
                    chunks.insert(index + 1, (first_prefix(&upper), Arc::new(upper)));
                }
            }
        }
    }

    /// Takes a member away.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_none() {
            return;
        }
        let prefix = prefix_of(name);
        match self {
            Children::Few(children) => {
                children.remove(place_of(children, prefix, name));
            }
            Children::Many(chunks) => {
                let index = chunk_of(chunks, prefix, name);
                let Some((first, chunk)) = chunks.get_mut(index) else { return };
                let chunk = Arc::make_mut(chunk);
                chunk.remove(place_of(chunk, prefix, name));
                *first = first_prefix(chunk);
                if chunk.is_empty() {
                    chunks.remove(index);
                }
                if let [(_, last)] = &mut chunks[..]
                    && last.len() <= MOST_IN_CHUNK / 2
                {
                    *self = Children::Few(std::mem::take(Arc::make_mut(last)));
                }
            }
        }
    }

    /// Calls `visit` with each name that both may not have alike, in order. Chunks that both share are not looked into: of
    /// two lists of which one grew from the other, it takes as long as what changed is.
    pub fn compare<'c>(
        &'c self,
        other: &'c Self,
        visit: &mut dyn FnMut(&'c str, Option<&'c Node>, Option<&'c Node>),
    ) {
        let (mut old, mut new) = (Cursor::of(self), Cursor::of(other));
        loop {
            if let (Some(one), Some(another)) = (old.whole_chunk(), new.whole_chunk())
                && Arc::ptr_eq(one, another)
            {
                old.skip_chunk();
                new.skip_chunk();
                continue;
            }
            let order = match (old.child(), new.child()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(another)) => {
                    one.prefix.cmp(&another.prefix).then_with(|| one.name.cmp(&another.name))
                }
            };
            let one = if order.is_le() { old.next() } else { None };
            let another = if order.is_ge() { new.next() } else { None };
            if let Some(name) = one.or(another).map(|child| &*child.name) {
                visit(name, one.map(|child| &child.node), another.map(|child| &child.node));
            }
        }
    }

    /// The members in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        let (few, many) = match self {
            Children::Few(children) => (&children[..], &[][..]),
            Children::Many(chunks) => (&[][..], &chunks[..]),
        };
        let many = many.iter().flat_map(|(_, chunk)| chunk.iter());
        few.iter().chain(many).map(|child| (&child.name, &child.node))
    }
}

/// A place in a list of members.
struct Cursor<'c> {
    few: &'c [Child],
    many: &'c [(u64, Arc<Vec<Child>>)],
    /// How many members of the first chunk, or of the few, are behind.
    at: usize,
}

impl<'c> Cursor<'c> {
    fn of(children: &'c Children) -> Self {
        let (few, many) = match children {
            Children::Few(children) => (&children[..], &[][..]),
            Children::Many(chunks) => (&[][..], &chunks[..]),
        };
        Cursor { few, many, at: 0 }
    }

    /// The chunk of which nothing is behind yet.
    fn whole_chunk(&self) -> Option<&'c Arc<Vec<Child>>> {
        self.many.first().filter(|_| self.at == 0).map(|(_, chunk)| chunk)
    }

    fn skip_chunk(&mut self) {
        self.many = self.many.get(1..).unwrap_or_default();
    }

    fn child(&self) -> Option<&'c Child> {
        match self.many.first() {
            Some((_, chunk)) => chunk.get(self.at),
            None => self.few.get(self.at),
        }
    }

    fn next(&mut self) -> Option<&'c Child> {
        let child = self.child()?;
        self.at += 1;
        if self.many.first().is_some_and(|(_, chunk)| self.at >= chunk.len()) {
            self.skip_chunk();
            self.at = 0;
        }
        Some(child)
    }
}

impl FromIterator<(Arc<str>, Node)> for Children {
    /// Gathers members that come in the order of their names.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Node)>>(members: I) -> Self {
        let mut chunks: Vec<(u64, Arc<Vec<Child>>)> = Vec::new();
        let mut open: Vec<Child> = Vec::new();
        for (name, node) in members {
            if open.len() == MOST_IN_CHUNK {
                let full = std::mem::take(&mut open);
                chunks.push((first_prefix(&full), Arc::new(full)));
            }
            open.push(Child { prefix: prefix_of(&name), name, node });
        }
        open.shrink_to_fit();
        if chunks.is_empty() {
            return Children::Few(open);
        }
        chunks.push((first_prefix(&open), Arc::new(open)));
        Children::Many(chunks)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Value;
    use crate::snapshot::Entry;

    fn node(text: &str) -> Node {
        Node::Entry(Arc::new(Entry::new(&Value::from(text), "f".into())))
    }

    fn text(node: &Node) -> String {
        match node {
            Node::Entry(entry) => String::from_utf8(entry.json().to_vec()).unwrap(),
            Node::Object(_) => String::new(),
        }
    }

    /// Names whose first eight bytes often agree, in an order that jumps about.
    fn name(number: u64) -> String {
        match number % 5 {
            0 => format!("service-{}", number * 7919 % 1009),
            1 => format!("{}", number * 7919 % 1009),
            2 => {
                "12345678"[..1 + (number / 5 % 8) as usize].to_owned()
                    + &"\0".repeat((number / 45 % 3) as usize)
            }
            3 => format!("service{}", number * 7919 % 13),
            _ => format!("service-with-a-long-name-{}", number * 104_729 % 1009),
        }
    }

    #[test]
    fn it_is_a_sorted_map_that_older_copies_do_not_see() {
        let (mut children, mut model) = (Children::default(), BTreeMap::new());
        let mut copies = Vec::new();
        for number in 0..3_000u64 {
            let name = name(number);
            if number % 5 == 4 {
                children.remove(&name);
                model.remove(&name);
            } else if let Some(found) = children.get_mut(&name) {
                *found = node(&number.to_string());
                model.insert(name, number);
            } else {
                children.insert(name.as_str().into(), node(&number.to_string()));
                model.insert(name, number);
            }
            if number % 500 == 0 {
                copies.push((children.clone(), model.clone()));
            }
        }
        copies.push((children, model));
        for (one, other) in copies.iter().zip(copies.iter().skip(1)) {
            let (mut told, mut differing) = (BTreeMap::new(), BTreeMap::new());
            one.0.compare(&other.0, &mut |name, old, new| {
                let (old, new) = (old.map(text), new.map(text));
                if old != new {
                    told.insert(name.to_owned(), (old, new));
                }
            });
            for name in one.1.keys().chain(other.1.keys()) {
                let value =
                    |model: &BTreeMap<String, u64>| model.get(name).map(|number| format!("\"{number}\""));
                if value(&one.1) != value(&other.1) {
                    differing.insert(name.clone(), (value(&one.1), value(&other.1)));
                }
            }
            assert_eq!(told, differing);
        }
        for (children, model) in copies {
            let expected: Vec<_> =
                model.iter().map(|(name, number)| (name.clone(), format!("\"{number}\""))).collect();
            let found: Vec<_> = children.iter().map(|(name, node)| (name.to_string(), text(node))).collect();
            assert_eq!(found, expected);
            let gathered: Children =
                children.iter().map(|(name, node)| (name.clone(), node.clone())).collect();
            for (name, value) in &expected {
                assert_eq!(children.get(name).map(text).as_ref(), Some(value));
                assert_eq!(gathered.get(name).map(text).as_ref(), Some(value));
            }
            assert!(
                children.get("nowhere").is_none()
                    && children.get("").is_none()
                    && children.get("zzz").is_none()
            );
        }
    }
}
