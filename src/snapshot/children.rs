use std::sync::Arc;

use super::Node;

/// How many members a chunk has at most before it is split in two.
const MOST_IN_CHUNK: usize = 64;

/// The members of an object, sorted by name, sharing all but the touched chunk with the list it grew from.
///
/// Sorted arrays of up to 64 members, each with the first eight bytes of its name beside it: finding one of
/// a hundred names touches a few cache lines, where a balanced tree of as many would follow a pointer per
/// comparison. Changing one of 10,000 copies one chunk and the list of chunks.
#[derive(Debug, Clone, Default)]
pub(super) struct Children {
    /// Never empty, in order; each with the prefix of its first name.
    chunks: Vec<(u64, Arc<Vec<Child>>)>,
}

#[derive(Debug, Clone)]
struct Child {
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

impl Children {
    /// The chunk in which a name is or would be.
    fn chunk_of(&self, prefix: u64, name: &str) -> usize {
        let after = self.chunks.partition_point(|(first, chunk)| {
            *first < prefix || (*first == prefix && chunk.first().is_some_and(|child| *child.name <= *name))
        });
        after.saturating_sub(1)
    }

    /// One member.
    pub fn get(&self, name: &str) -> Option<&Node> {
        let prefix = prefix_of(name);
        let chunk = match &self.chunks[..] {
            [(_, only)] => only,
            _ => &self.chunks.get(self.chunk_of(prefix, name))?.1,
        };
        let at = chunk.partition_point(|child| child.is_before(prefix, name));
        chunk.get(at).filter(|child| child.is_called(prefix, name)).map(|child| &child.node)
    }

    /// One member, to be changed: what it is shared with keeps the old one.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        let prefix = prefix_of(name);
        let index = self.chunk_of(prefix, name);
        let chunk = &self.chunks.get(index)?.1;
        let at = chunk.partition_point(|child| child.is_before(prefix, name));
        chunk.get(at).filter(|child| *child.name == *name)?;
        Arc::make_mut(&mut self.chunks.get_mut(index)?.1).get_mut(at).map(|child| &mut child.node)
    }

    /// Adds a member that is not there yet.
    pub fn insert(&mut self, name: Arc<str>, node: Node) {
        let prefix = prefix_of(&name);
        if self.chunks.is_empty() {
            self.chunks.push((prefix, Arc::default()));
        }
        let index = self.chunk_of(prefix, &name);
        let Some((first, chunk)) = self.chunks.get_mut(index) else { return };
        let chunk = Arc::make_mut(chunk);
        let at = chunk.partition_point(|child| child.is_before(prefix, &name));
        chunk.insert(at, Child { prefix, name, node });
        *first = chunk.first().map_or(prefix, |child| child.prefix);
        if chunk.len() > MOST_IN_CHUNK {
            let upper = chunk.split_off(MOST_IN_CHUNK / 2);
            let prefix = upper.first().map_or(0, |child| child.prefix);
            self.chunks.insert(index + 1, (prefix, Arc::new(upper)));
        }
    }

    /// Takes a member away.
    pub fn remove(&mut self, name: &str) {
        let prefix = prefix_of(name);
        let index = self.chunk_of(prefix, name);
        let Some((first, chunk)) = self.chunks.get_mut(index) else { return };
        let at = chunk.partition_point(|child| child.is_before(prefix, name));
        if chunk.get(at).is_none_or(|child| *child.name != *name) {
            return;
        }
        let chunk = Arc::make_mut(chunk);
        chunk.remove(at);
        match chunk.first() {
            Some(child) => *first = child.prefix,
            None => {
                self.chunks.remove(index);
            }
        }
    }

    /// The members in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        self.chunks.iter().flat_map(|(_, chunk)| chunk.iter()).map(|child| (&child.name, &child.node))
    }
}

impl FromIterator<(Arc<str>, Node)> for Children {
    /// Gathers members that come in the order of their names.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Node)>>(members: I) -> Self {
        let mut chunks: Vec<(u64, Arc<Vec<Child>>)> = Vec::new();
        let mut open: Vec<Child> = Vec::new();
        let mut close = |open: &mut Vec<Child>| {
            if let Some(first) = open.first() {
                chunks.push((first.prefix, Arc::new(std::mem::take(open))));
            }
        };
        for (name, node) in members {
            if open.len() == MOST_IN_CHUNK {
                close(&mut open);
            }
            open.push(Child { prefix: prefix_of(&name), name, node });
        }
        close(&mut open);
        Children { chunks }
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
