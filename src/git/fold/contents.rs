use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// Decoded contents, the latest up to a number of bytes.
pub(super) struct Contents<K> {
    by_key: HashMap<K, Rc<Vec<u8>>>,
    order: VecDeque<K>,
    bytes: usize,
    max_bytes: usize,
}

/// What a content takes beside its bytes.
const OVERHEAD: usize = 100;

impl<K: Copy + Eq + std::hash::Hash> Contents<K> {
    pub(super) fn new(max_bytes: usize) -> Self {
        Contents { by_key: HashMap::new(), order: VecDeque::new(), bytes: 0, max_bytes }
    }

    pub(super) fn get(&self, key: K) -> Option<Rc<Vec<u8>>> {
        self.by_key.get(&key).cloned()
    }

    pub(super) fn put(&mut self, key: K, content: Rc<Vec<u8>>) {
        let size = content.len() + OVERHEAD;
        if size > self.max_bytes / 4 {
            return;
        }
        if self.by_key.insert(key, content).is_none() {
            self.order.push_back(key);
            self.bytes += size;
        }
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.by_key.remove(&oldest).map_or(0, |content| content.len() + OVERHEAD);
        }
    }
}
