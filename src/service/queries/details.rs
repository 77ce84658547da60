//! The subjects behind an answer: stored encrypted for their reader, page by page, and read the same way, so that
//! neither who answers nor who reads ever holds all of them (specification §8.8; each page in the form of §9.7:
//! AES-256-CBC under a random key that is wrapped to the user's RSA key).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use chrono::{DateTime, Utc};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::{Queries, StoredResponse};
use crate::domain::ids::{QueryId, SourceId, UserId};
use crate::domain::queries::{QueryResponse, ResultDetails};
use crate::service::Failure;
use crate::service::auth::{Caller, user_key};
use crate::store::{Collection, Room};

/// Subjects a page.
pub(super) const PAGE: usize = 1_000;

/// Where the subjects of a response are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wrapped {
    /// What the ids of the pages begin with; another for each attempt to answer.
    id: String,
    /// The key of all pages, wrapped to the reader's; base64.
    encrypted_key: String,
    sources: BTreeMap<SourceId, Listed>,
}

/// How much of a source is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    pages: u64,
    subjects: u64,
}

/// One page as stored: a JSON array of subjects, encrypted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredPage {
    page_id: String,
    query_id: QueryId,
    created_at: DateTime<Utc>,
    /// Base64, like the payload.
    iv: String,
    payload: String,
}

fn page_id(details: &str, source: &SourceId, page: u64) -> String {
    format!("{details}:{source}:{page}")
}

/// Seals the subjects of one response.
#[derive(Debug)]
pub(super) struct Sealer<'a> {
    queries: &'a Queries,
    query: QueryId,
    reader: UserId,
    id: String,
    /// Made for the first page.
    key: OnceCell<Key>,
    sources: Mutex<BTreeMap<SourceId, Listed>>,
}

struct Key {
    plain: [u8; 32],
    wrapped: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl<'a> Sealer<'a> {
    pub(super) fn new(queries: &'a Queries, query: &QueryId, reader: &UserId) -> Self {
        let id = queries.ports.random.uuid().to_string();
        Self {
            queries,
            query: query.clone(),
            reader: reader.clone(),
            id,
            key: OnceCell::new(),
            sources: Mutex::default(),
        }
    }

    /// Says that a source lists its subjects, though there may be none.
    pub(super) fn begin(&self, source: &SourceId) {
        self.change(|sources| {
            sources.insert(source.clone(), Listed::default());
        });
    }

    /// Takes back what a source listed; its pages expire unread.
    pub(super) fn forget(&self, source: &SourceId) {
        self.change(|sources| {
            sources.remove(source);
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<SourceId, Listed>)) {
        change(&mut self.sources.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn key(&self) -> Result<&Key, Failure> {
        let make = || async {
            let mut plain = [0; 32];
            self.queries.ports.random.fill(&mut plain);
            let wrapped = self.queries.ports.secrets.wrap(&user_key(&self.reader), &plain).await?;
            Ok(Key { plain, wrapped: STANDARD.encode(wrapped) })
        };
        self.key.get_or_try_init(make).await
    }

    /// Stores the next page of a source.
    pub(super) async fn add(&self, source: &SourceId, subjects: &[Value]) -> Result<(), Failure> {
        let key = self.key().await?.plain;
        let mut iv = [0; 16];
        self.queries.ports.random.fill(&mut iv);
        let plain = serde_json::to_vec(subjects).map_err(Failure::internal)?;
        let payload = encrypt(plain, &key, &iv);
        let mut page = 0;
        self.change(|sources| {
            let listed = sources.entry(source.clone()).or_default();
            page = listed.pages;
            listed.pages += 1;
            listed.subjects += subjects.len() as u64;
        });
        let page = StoredPage {
            page_id: page_id(&self.id, source, page),
            query_id: self.query.clone(),
            created_at: self.queries.ports.clock.now(),
            iv: STANDARD.encode(iv),
            payload: STANDARD.encode(payload),
        };
        Ok(self.queries.pages().insert(&page.page_id, &page).await?)
    }

    /// What the response says of its pages; `None` where no source lists subjects.
    pub(super) async fn finish(self) -> Result<Option<Wrapped>, Failure> {
        if self.sources.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Ok(None);
        }
        let encrypted_key = self.key().await?.wrapped.clone();
        let sources = self.sources.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(Wrapped { id: self.id, encrypted_key, sources }))
    }
}

/// The pages of one response, open for their reader.
#[derive(Clone)]
struct Open {
    queries: Queries,
    wrapped: Wrapped,
    key: [u8; 32],
}

impl Open {
    /// The subjects of a page.
    async fn page(&self, source: &SourceId, page: u64) -> Result<Vec<Box<RawValue>>, Failure> {
        let stored = self.queries.pages().get(page_id(&self.wrapped.id, source, page)).await?;
        let stored = stored.ok_or_else(|| Failure::internal("a page of a stored answer is missing"))?;
        let iv = STANDARD.decode(&stored.iv).map_err(Failure::internal)?;
        let payload = STANDARD.decode(&stored.payload).map_err(Failure::internal)?;
        let plain = decrypt(&payload, &self.key, &iv)
            .ok_or_else(|| Failure::internal("a stored answer cannot be decrypted"))?;
        serde_json::from_slice(&plain).map_err(Failure::internal)
    }
}

impl Queries {
    fn pages(&self) -> Collection<'_, StoredPage> {
        Collection::new(self.ports.store.documents(), Room::Details)
    }

    /// Opens the pages of a response; `None` where the key is gone (sign-in was revoked meanwhile).
    async fn open(&self, wrapped: &Wrapped, reader: &UserId) -> Result<Option<Open>, Failure> {
        let name = user_key(reader);
        if !self.ports.secrets.has_key(&name).await? {
            return Ok(None);
        }
        let key = STANDARD.decode(&wrapped.encrypted_key).map_err(Failure::internal)?;
        let Ok(key) = self.ports.secrets.unwrap(&name, &key).await else { return Ok(None) };
        let key =
            key.try_into().map_err(|_| Failure::internal("the key of a stored answer has a wrong length"))?;
        Ok(Some(Open { queries: self.clone(), wrapped: wrapped.clone(), key }))
    }

    /// Puts up to `most` subjects of each source into its answer; says where the rest is.
    pub(super) async fn fill(
        &self,
        response: &StoredResponse,
        answers: &mut [QueryResponse],
        reader: &UserId,
        most: usize,
    ) -> Result<(), Failure> {
        let Some(wrapped) = &response.details else { return Ok(()) };
        let open = self.open(wrapped, reader).await?;
        for answer in answers {
            let Ok(source) = SourceId::parse(&answer.source_id) else { continue };
            let Some(listed) = wrapped.sources.get(&source) else { continue };
            let Some(open) = &open else {
                answer.notices.push("the details cannot be read any more: the key is gone".into());
                continue;
            };
            let mut subjects = Vec::new();
            for page in 0..listed.pages {
                if subjects.len() >= most {
                    break;
                }
                for subject in open.page(&source, page).await? {
                    subjects.push(serde_json::from_str(subject.get()).map_err(Failure::internal)?);
                }
            }
            subjects.truncate(most);
            if (subjects.len() as u64) < listed.subjects {
                answer.notices.push(format!(
                    "these are the first {} of {} subjects; all are given by /record/history/{}/subjects",
                    subjects.len(),
                    listed.subjects,
                    response.query_id
                ));
            }
            answer.result_details = Some(ResultDetails { subjects });
        }
        Ok(())
    }

    /// All subjects behind the answers to a query, or those of one source, for its owner: a piece of whole lines at a
    /// time, each line a JSON object `{nodeId, sourceId, subject}`.
    pub async fn subjects(
        &self,
        caller: &Caller,
        id: &QueryId,
        source: Option<SourceId>,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, Failure>> + Send + use<>, Failure> {
        let owned = self.query(id).await?.filter(|query| query.user_id == *caller.id());
        let query = owned.ok_or_else(|| Failure::not_found("query", id.as_str()))?;
        let mut places = Vec::new();
        for response in self.of(&query).await? {
            let Some(wrapped) = &response.details else { continue };
            let open = self.open(wrapped, &query.user_id).await?.ok_or_else(|| {
                Failure::Unprocessable(
                    "the subjects cannot be read any more: the key of their reader is gone".into(),
                )
            })?;
            for (held, listed) in &wrapped.sources {
                if source.as_ref().is_none_or(|wanted| wanted == held) {
                    let head =
                        format!("{{\"nodeId\":\"{}\",\"sourceId\":\"{held}\",\"subject\":", response.node_id);
                    places.extend(
                        (0..listed.pages).map(|page| (open.clone(), head.clone(), held.clone(), page)),
                    );
                }
            }
        }
        Ok(futures_util::stream::unfold(places.into_iter(), |mut places| async move {
            let (open, head, source, page) = places.next()?;
            let lines = open.page(&source, page).await.map(|subjects| {
                let mut lines = Vec::new();
                for subject in subjects {
                    lines.extend_from_slice(head.as_bytes());
                    lines.extend_from_slice(subject.get().as_bytes());
                    lines.extend_from_slice(b"}\n");
                }
                lines
            });
            Some((lines, places))
        }))
    }
}

/// Pads with spaces, legal after JSON, until PKCS#7 adds ten newlines, so that readers that strip padding and readers
/// that do not both obtain valid JSON (specification §9.7 *Padding question*).
fn encrypt(mut plain: Vec<u8>, key: &[u8; 32], iv: &[u8; 16]) -> Vec<u8> {
    while plain.len() % 16 != 6 {
        plain.push(b' ');
    }
    cbc::Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec_mut::<Pkcs7>(&plain)
}

fn decrypt(payload: &[u8], key: &[u8], iv: &[u8]) -> Option<Vec<u8>> {
    cbc::Decryptor::<Aes256>::new_from_slices(key, iv).ok()?.decrypt_padded_vec_mut::<Pkcs7>(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_padding_is_ten_newlines_whatever_the_length() {
        use cbc::cipher::block_padding::NoPadding;
        for length in 2..40 {
            let plain = format!("[{}]", " ".repeat(length)).into_bytes();
            let sealed = encrypt(plain.clone(), &[1; 32], &[2; 16]);
            assert_eq!(decrypt(&sealed, &[1; 32], &[2; 16]).unwrap().trim_ascii_end(), plain);
            let raw = cbc::Decryptor::<Aes256>::new_from_slices(&[1; 32], &[2; 16])
                .unwrap()
                .decrypt_padded_vec_mut::<NoPadding>(&sealed)
                .unwrap();
            assert!(raw.ends_with(&[b'\n'; 10]));
            assert!(serde_json::from_slice::<serde_json::Value>(&raw).is_ok());
        }
    }
}
