//! The promises of `trait Blobs`, each a function over any rig.

use std::fs;
use std::sync::Arc;

use cv3_backend::blobs::BlobError;

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
        assert_eq!(blobs.put(content.to_vec()).await.unwrap(), name);
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
    let name = blobs.put_file(file.clone()).await.unwrap();
    assert!(!file.exists());
    assert_eq!(fs::read(blobs.open(&name).await.unwrap().unwrap()).unwrap(), content);
    assert_eq!(blobs.put(content).await.unwrap(), name);
    assert!(blobs.put_file(file).await.is_err());
}

pub async fn the_same_content_is_stored_once(rig: &impl Rig) {
    let blobs = rig.open();
    let file = blobs.scratch().join("again");
    fs::write(&file, b"abc").unwrap();
    assert_eq!(blobs.put(b"abc".to_vec()).await.unwrap(), ABC);
    assert_eq!(blobs.put(b"abc".to_vec()).await.unwrap(), ABC);
    assert_eq!(blobs.put_file(file.clone()).await.unwrap(), ABC);
    assert!(!file.exists());
    assert_eq!(blobs.list().await.unwrap(), [ABC]);
}

pub async fn many_at_once_agree(rig: &impl Rig) {
    let stores = [rig.open(), rig.open()];
    let storing: Vec<_> = (0..32)
        .map(|number| {
            let blobs = Arc::clone(&stores[number % 2]);
            tokio::spawn(async move { blobs.put(vec![(number / 4) as u8; 10_000]).await.unwrap() })
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
    there.delete(ABC).await.unwrap();
    assert_eq!(here.open(ABC).await.unwrap(), None);
}

pub async fn a_deleted_blob_is_gone(rig: &impl Rig) {
    let blobs = rig.open();
    blobs.put(b"abc".to_vec()).await.unwrap();
    assert!(blobs.delete(ABC).await.unwrap());
    assert!(!blobs.delete(ABC).await.unwrap());
    assert_eq!(blobs.open(ABC).await.unwrap(), None);
    assert!(blobs.list().await.unwrap().is_empty());
    assert_eq!(blobs.put(b"abc".to_vec()).await.unwrap(), ABC);
    assert!(blobs.open(ABC).await.unwrap().is_some());
}

pub async fn all_names_are_listed(rig: &impl Rig) {
    let blobs = rig.open();
    let mut names = Vec::new();
    for number in 0..50_u8 {
        names.push(blobs.put(vec![number]).await.unwrap());
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
        assert!(matches!(blobs.delete(name).await, Err(BlobError::Name(_))), "{name}");
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
