//! Unions of postings that were asked for before: the expansion of one term is hundreds of keys, and the same few
//! terms are asked again and again, with other conditions beside them.
//!
//! A part never changes, so what is kept stays right for as long as the part is open. What is kept, and when, depends
//! on the keys asked alone, never on how many subjects have them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::words::Words;

/// Fewer keys than this are united as fast as they are looked up.
const LEAST_KEYS: usize = 16;

/// Unions remembered as asked once, for each part.
const MOST_SEEN: usize = 1_024;

/// Bytes kept at most, over all parts of the process.
const MOST_BYTES: usize = 64 << 20;

/// Bytes kept now, over all parts of the process.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A bit for each subject with any of some keys, chunk by chunk.
pub(crate) type Union = Arc<[Box<Words>]>;

/// The unions of one part, by the places of their keys in its table.
#[derive(Debug, Default)]
pub(super) struct Unions {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    now: u64,
    /// `None` = asked for once.
    by_keys: HashMap<Box<[u32]>, (u64, Option<Union>), foldhash::fast::RandomState>,
    bytes: usize,
}

fn size(union: &Union) -> usize {
    union.len() * size_of::<Words>()
}

impl Unions {
    /// The union of the keys at these places; made by `unite` when it is asked for the second time. `None`: not kept.
    pub(super) fn get(&self, places: &[u32], unite: impl FnOnce() -> Union) -> Option<Union> {
        if places.len() < LEAST_KEYS {
            return None;
        }
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.now += 1;
            let now = held.now;
            match held.by_keys.get_mut(places) {
                Some((used, Some(union))) => {
                    *used = now;
                    return Some(union.clone());
                }
                Some((used, None)) => *used = now,
                None => {
                    held.make_room_for_one();
                    held.by_keys.insert(places.into(), (now, None));
                    return None;
                }
            }
        }
        // Two who ask at once both unite; the second replaces what the first kept.
        let union = unite();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).keep(places, &union);
        Some(union)
    }
}

impl Unions {
    /// As if nothing had been asked yet.
    pub(super) fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Held::default();
    }
}

impl Held {
    /// Forgets the longest unused of those asked for once, if they are many.
    fn make_room_for_one(&mut self) {
        if self.by_keys.len() >= MOST_SEEN {
            let unused = self.by_keys.iter().min_by_key(|(_, (used, _))| *used).map(|(keys, _)| keys.clone());
            if let Some(keys) = unused {
                self.forget(&keys);
            }
        }
    }

    fn keep(&mut self, places: &[u32], union: &Union) {
        let size = size(union);
        while KEPT.load(Ordering::Relaxed).saturating_add(size) > MOST_BYTES {
            // Only this part's own can go; while others fill the room nothing is kept here.
            let kept = self.by_keys.iter().filter(|(_, (_, union))| union.is_some());
            let Some(keys) = kept.min_by_key(|(_, (used, _))| *used).map(|(keys, _)| keys.clone()) else {
                return;
            };
            self.forget(&keys);
        }
        self.forget(places);
        self.now += 1;
        self.by_keys.insert(places.into(), (self.now, Some(union.clone())));
        self.bytes += size;
        KEPT.fetch_add(size, Ordering::Relaxed);
    }

    fn forget(&mut self, keys: &[u32]) {
        if let Some((_, Some(union))) = self.by_keys.remove(keys) {
            self.bytes -= size(&union);
            KEPT.fetch_sub(size(&union), Ordering::Relaxed);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of unions kept by all open parts of the process.
pub fn kept_bytes() -> usize {
    KEPT.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::words::WORDS;

    fn union(chunks: usize, word: u64) -> Union {
        (0..chunks).map(|_| Box::new([word; WORDS])).collect()
    }

    fn places(first: u32) -> Vec<u32> {
        (first..first + LEAST_KEYS as u32).collect()
    }

    #[test]
    fn what_is_asked_twice_is_united_once_and_kept() {
        let unions = Unions::default();
        assert!(unions.get(&places(0), || unreachable!()).is_none());
        assert_eq!(unions.get(&places(0), || union(1, 7)).unwrap()[0][0], 7);
        assert_eq!(unions.get(&places(0), || unreachable!()).unwrap()[0][0], 7);
        assert!(unions.get(&places(1), || unreachable!()).is_none());
        assert!((0..3).all(|_| unions.get(&[1, 2, 3], || unreachable!()).is_none()));
    }

    #[test]
    fn the_longest_unused_goes_when_the_room_is_full_and_everything_with_the_part() {
        let unions = Unions::default();
        let chunks = MOST_BYTES / size_of::<Words>() / 2 - 64;
        for first in [0, 100, 200] {
            unions.get(&places(first), || unreachable!());
            unions.get(&places(first), || union(chunks, 1));
            unions.get(&places(0), || union(chunks, 1));
        }
        assert!(kept_bytes() <= MOST_BYTES);
        assert!(unions.get(&places(0), || unreachable!()).is_some());
        assert!(unions.get(&places(200), || unreachable!()).is_some());
        let held = unions.held.lock().unwrap().by_keys.values().filter(|(_, union)| union.is_some()).count();
        assert_eq!(held, 2);
        let before = kept_bytes();
        drop(unions);
        assert!(before - kept_bytes() >= 2 * chunks * size_of::<Words>() - (MOST_BYTES / 4));
    }
}
