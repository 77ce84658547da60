//! An XML document as a walk over its leaves: what stands where, with the line for errors.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::super::input::Input;
use super::BuildError;

/// Whether bytes begin like an XML document.
pub fn looks_like(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.trim_ascii_start().starts_with(b"<")
}

/// The document as text: in UTF-8, or in the encoding its declaration names (older Orphadata is ISO-8859-1).
pub fn open(name: String, bytes: Vec<u8>) -> Result<Input, BuildError> {
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(200)).unwrap_or_default());
    let declared = head.split_once("encoding=").and_then(|(_, rest)| rest.split(['"', '\'']).nth(1));
    match declared.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes())) {
        Some(encoding) if encoding != encoding_rs::UTF_8 => {
            let (text, _, _) = encoding.decode(&bytes);
            Input::from_bytes(name, text.into_owned().into_bytes())
        }
        _ => Input::from_bytes(name, bytes),
    }
}

/// What a document is made of.
pub trait Visitor {
    /// An element begins; `path` ends with it.
    fn begin(&mut self, path: &[String]);

    /// An element ends; `path` ends with it, `text` is what it holds after its last child.
    fn end(&mut self, path: &[String], text: &str) -> Result<(), String>;

    /// An attribute of the root element.
    fn root(&mut self, name: &str, attribute: &str, value: &str);
}

/// Walks through a document.
pub fn walk(input: &Input, visitor: &mut impl Visitor) -> Result<(), BuildError> {
    let mut reader = Reader::from_str(&input.text);
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut text) = (Vec::<String>::new(), String::new());
    loop {
        let event = reader.read_event();
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(input.text.len());
        let line = || input.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        let wrong = |what: String| input.wrong(line(), what);
        match event.map_err(|error| wrong(format!("it is no well-formed XML: {error}")))? {
            Event::Start(element) => {
                path.push(element.name().as_ref().to_owned());
                if let [root] = path.as_slice() {
                    for attribute in element.attributes().flatten() {
                        visitor.root(root, attribute.key.as_ref(), &attribute.value);
                    }
                }
                visitor.begin(&path);
                text.clear();
            }
            Event::End(_) => {
                visitor.end(&path, text.trim()).map_err(wrong)?;
                path.pop();
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content();
                let named = quick_xml::escape::resolve_predefined_entity(&name);
                match (reference.resolve_char_ref(), named) {
                    (Ok(Some(character)), _) => text.push(character),
                    (_, Some(named)) => text.push_str(named),
                    _ => return Err(wrong(format!("it is no well-formed XML: &{name}; stands for nothing"))),
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match path.last() {
        Some(open) => Err(input.unusable(format!("it is no well-formed XML: it ends within {open}"))),
        None => Ok(()),
    }
}
