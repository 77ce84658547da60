//! The promises of `trait Blobs`, each a function over any rig.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cv3_backend::blobs::{BlobError, Blobs};

use super::Rig;

/// SHA-256 of nothing and of "abc" (FIPS 180-2, appendix B.1).
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Makes a test of each promise for the rig.
macro_rules! every_promise {
    ($rig:expr) => {
        $crate::suite::every_promise! { $rig;
            bytes_come_back_under_the_name_of_their_hash
            a_file_is_taken
            the_same_content_is_stored_once
            many_at_once_agree
            what_another_process_stored_is_found
            a_deleted_blob_is_gone
            what_is_being_stored_cannot_be_condemned
            storing_waits_for_a_deletion_that_is_decided
            a_deletion_that_is_given_up_leaves_the_blob
            what_was_named_while_others_delete_is_never_lost
            all_names_are_listed
            what_is_no_name_is_refused
            used_space_is_the_sum_of_all
            scratch_is_on_hand_and_never_listed
        }
    };
    ($rig:expr; $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            $crate::suite::$promise(&$rig).await;
        }
    )*};
}
pub(crate) use every_promise;

pub async fn bytes_come_back_under_the_name_of_their_hash(rig: &impl Rig) {
    let blobs = rig.open();
    for (content, name) in [(&b""[..], EMPTY), (b"abc", ABC)] {
        assert_eq!(blobs.open(name).await.unwrap(), None);
        assert_eq!(blobs.size(name).await.unwrap(), None);
        assert_eq!(blobs.put(content.to_vec()).await.unwrap().name(), name);
        assert_eq!(fs::read(blobs.open(name).await.unwrap().unwrap()).unwrap(), content);
        assert_eq!(blobs.size(name).await.unwrap(), Some(content.len() as u64));
    }
}

pub async fn a_file_is_taken(rig: &impl Rig) {
    let blobs = rig.open();
    // Larger than any buffer, and not a multiple of one.
    let content: Vec<u8> = (0..3_000_001_u32).map(|number| (number % 251) as u8).collect();
    let file = blobs.scratch().join("upload");
    fs::write(&file, &content).unwrap();
    let stored = blobs.put_file(file.clone()).await.unwrap();
    let name = stored.name();
    assert!(!file.exists());
    assert_eq!(fs::read(blobs.open(name).await.unwrap().unwrap()).unwrap(), content);
    assert_eq!(blobs.put(content).await.unwrap().name(), name);
    assert!(blobs.put_file(file).await.is_err());
}

pub async fn the_same_content_is_stored_once(rig: &impl Rig) {
    let blobs = rig.open();
    let file = blobs.scratch().join("again");
    fs::write(&file, b"abc").unwrap();
    assert_eq!(blobs.put(b"abc".to_vec()).await.unwrap().name(), ABC);
    assert_eq!(blobs.put(b"abc".to_vec()).await.unwrap().name(), ABC);
    assert_eq!(blobs.put_file(file.clone()).await.unwrap().name(), ABC);
    assert!(!file.exists());
    assert_eq!(blobs.list().await.unwrap(), [ABC]);
}

pub async fn many_at_once_agree(rig: &impl Rig) {
    let stores = [rig.open(), rig.open()];
    let storing: Vec<_> = (0..32)
        .map(|number| {
            let blobs = Arc::clone(&stores[number % 2]);
            let content = vec![(number / 4) as u8; 10_000];
            tokio::spawn(async move { blobs.put(content).await.unwrap().name().to_owned() })
        })
        .collect();
    for one in storing {
        let name = one.await.unwrap();
        assert!(stores[0].open(&name).await.unwrap().is_some());
    }
    assert_eq!(stores[1].list().await.unwrap().len(), 8);
}

pub async fn what_another_process_stored_is_found(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    here.put(b"abc".to_vec()).await.unwrap();
    assert_eq!(fs::read(there.open(ABC).await.unwrap().unwrap()).unwrap(), b"abc");
    assert!(delete(&there, ABC).await);
    assert_eq!(here.open(ABC).await.unwrap(), None);
}

pub async fn a_deleted_blob_is_gone(rig: &impl Rig) {
    let blobs = rig.open();
    blobs.put(b"abc".to_vec()).await.unwrap();
    assert!(delete(&blobs, ABC).await);
    assert!(!delete(&blobs, ABC).await);
    assert_eq!(blobs.open(ABC).await.unwrap(), None);
    assert!(blobs.list().await.unwrap().is_empty());
    assert_eq!(blobs.put(b"abc".to_vec()).await.unwrap().name(), ABC);
    assert!(blobs.open(ABC).await.unwrap().is_some());
}

/// Condemns and deletes without looking for names.
async fn delete(blobs: &Arc<dyn Blobs>, name: &str) -> bool {
    match blobs.condemn(name).await.unwrap() {
        Some(condemned) => condemned.delete().await.unwrap(),
        None => false,
    }
}

pub async fn what_is_being_stored_cannot_be_condemned(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let first = here.put(b"abc".to_vec()).await.unwrap();
    let again = there.put(b"abc".to_vec()).await.unwrap();
    for blobs in [&here, &there] {
        assert!(blobs.condemn(ABC).await.unwrap().is_none());
    }
    drop(first);
    assert!(here.condemn(ABC).await.unwrap().is_none(), "the other still holds it");
    drop(again);
    let condemned = here.condemn(ABC).await.unwrap().unwrap();
    assert_eq!(condemned.name(), ABC);
    assert!(there.condemn(ABC).await.unwrap().is_none(), "one deletion at a time");
    assert!(condemned.delete().await.unwrap());
}

pub async fn storing_waits_for_a_deletion_that_is_decided(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    drop(here.put(b"abc".to_vec()).await.unwrap());
    let condemned = there.condemn(ABC).await.unwrap().unwrap();
    // More than work at the same time: none of them may stand in the way of the deletion.
    let waiting: Vec<_> = (0..16)
        .map(|number| {
            let blobs = Arc::clone(if number % 2 == 0 { &here } else { &there });
            tokio::spawn(async move { blobs.put(b"abc".to_vec()).await.unwrap() })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(waiting.iter().all(|one| !one.is_finished()));
    assert!(condemned.delete().await.unwrap());
    for one in waiting {
        assert_eq!(one.await.unwrap().name(), ABC);
    }
    assert_eq!(fs::read(here.open(ABC).await.unwrap().unwrap()).unwrap(), b"abc");
}

pub async fn a_deletion_that_is_given_up_leaves_the_blob(rig: &impl Rig) {
    let blobs = rig.open();
    drop(blobs.put(b"abc".to_vec()).await.unwrap());
    drop(blobs.condemn(ABC).await.unwrap().unwrap());
    assert_eq!(fs::read(blobs.open(ABC).await.unwrap().unwrap()).unwrap(), b"abc");
    assert_eq!(blobs.put(b"abc".to_vec()).await.unwrap().name(), ABC);
}

/// Some store a content, name it, find it and take the name back; others delete it whenever it has no name.
pub async fn what_was_named_while_others_delete_is_never_lost(rig: &impl Rig) {
    let names = Arc::new(AtomicUsize::new(0));
    let deleting: Vec<_> = (0..2)
        .map(|_| {
            let (blobs, names) = (rig.open(), Arc::clone(&names));
            tokio::spawn(async move {
                let mut deleted = 0;
                loop {
                    if let Some(condemned) = blobs.condemn(ABC).await.unwrap()
                        && names.load(Ordering::SeqCst) == 0
                    {
                        tokio::task::yield_now().await;
                        deleted += usize::from(condemned.delete().await.unwrap());
                    }
                    if names.load(Ordering::SeqCst) >= STOP {
                        return deleted;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let storing: Vec<_> = (0..3)
        .map(|_| {
            let (blobs, names) = (rig.open(), Arc::clone(&names));
            tokio::spawn(async move {
                for round in 0..25 {
                    let stored = blobs.put(b"abc".to_vec()).await.unwrap();
                    tokio::task::yield_now().await;
                    names.fetch_add(1, Ordering::SeqCst);
                    drop(stored);
                    tokio::task::yield_now().await;
                    assert!(blobs.open(ABC).await.unwrap().is_some(), "lost in round {round}");
                    names.fetch_sub(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for one in storing {
        one.await.unwrap();
    }
    names.store(STOP, Ordering::SeqCst);
    let mut deleted = 0;
    for one in deleting {
        deleted += one.await.unwrap();
    }
    assert!(deleted > 0, "nothing was deleted, so nothing was tried");
}

/// More names than there are tasks.
const STOP: usize = 1_000;

pub async fn all_names_are_listed(rig: &impl Rig) {
    let blobs = rig.open();
    let mut names = Vec::new();
    for number in 0..50_u8 {
        names.push(blobs.put(vec![number]).await.unwrap().name().to_owned());
    }
    let mut listed = blobs.list().await.unwrap();
    names.sort();
    listed.sort();
    assert_eq!(listed, names);
}

pub async fn what_is_no_name_is_refused(rig: &impl Rig) {
    let blobs = rig.open();
    for name in ["", "..", "../../etc/passwd", "abc", &ABC.to_uppercase(), &ABC[1..], "lock", "scratch"] {
        assert!(matches!(blobs.open(name).await, Err(BlobError::Name(_))), "{name}");
        assert!(matches!(blobs.size(name).await, Err(BlobError::Name(_))), "{name}");
        assert!(matches!(blobs.condemn(name).await, Err(BlobError::Name(_))), "{name}");
    }
}

pub async fn used_space_is_the_sum_of_all(rig: &impl Rig) {
    let blobs = rig.open();
    assert_eq!(blobs.space().await.unwrap().0, 0);
    blobs.put(vec![1; 1_000]).await.unwrap();
    blobs.put(vec![2; 500]).await.unwrap();
    blobs.put(vec![2; 500]).await.unwrap();
    assert_eq!(blobs.space().await.unwrap().0, 1_500);
}

pub async fn scratch_is_on_hand_and_never_listed(rig: &impl Rig) {
    let blobs = rig.open();
    assert_eq!(fs::read_dir(blobs.scratch()).unwrap().count(), 0);
    fs::write(blobs.scratch().join(ABC), b"abc").unwrap();
    assert!(blobs.list().await.unwrap().is_empty());
    assert_eq!(blobs.open(ABC).await.unwrap(), None);
}
