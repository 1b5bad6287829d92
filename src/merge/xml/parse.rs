//! XML text to a tree of spans, from the events of `quick-xml`.
//!
//! Invariant: the children of an element and what stands between them are all of its inside; between them there is
//! nothing but white space; that is checked. Depth is counted here, not on the stack. Well-formedness is checked elsewhere, before.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::names::named;
use super::well_formed;
use crate::merge::json::without_bom;
use crate::merge::tree::{Item, List, Meaning, Meanings, Node};

/// How deep elements may be in each other.
const DEPTH_MAX: usize = 100;
/// How long a document may be.
const BYTES_MAX: usize = 4 << 20;

/// The tree of an XML document.
pub fn parse(meanings: &mut Meanings, text: &[u8]) -> Option<Node> {
    if text.len() > BYTES_MAX || !well_formed::is_document(text) {
        return None;
    }
    let bom = text.len() - without_bom(text).len();
    let text = std::str::from_utf8(text).ok()?;
    let document = Open { children: Vec::new(), content: bom..bom, tag: None };
    let mut parser = Parser { text, meanings, open: vec![document] };
    let mut reader = Reader::from_str(&text[bom..]);
    loop {
        let from = bom + reader.buffer_position() as usize;
        let event = reader.read_event().ok()?;
        let span = from..bom + reader.buffer_position() as usize;
        if matches!(event, Event::Eof) {
            break;
        }
        parser.event(event, span)?;
    }
    let document = parser.open.pop().filter(|_| parser.open.is_empty())?;
    parser.document(document)
}

/// Whether the tags of a text match, whatever is between them.
pub fn has_matching_tags(text: &str) -> bool {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut roots) = (0usize, 0usize);
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => {
                roots += usize::from(depth == 0);
                depth += 1;
            }
            Ok(Event::Empty(_)) => roots += usize::from(depth == 0),
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) => return depth == 0 && roots == 1,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

struct Parser<'a, 'm> {
    text: &'a str,
    meanings: &'m mut Meanings,
    /// The document, and the elements that are not closed yet.
    open: Vec<Open>,
}

struct Open {
    children: Vec<Child>,
    /// From behind the start tag to behind the last child.
    content: Range<usize>,
    /// None for the document.
    tag: Option<Tag>,
}

struct Child {
    is_element: bool,
    is_text: bool,
    node: Node,
}

/// A start tag.
struct Tag {
    span: Range<usize>,
    name: String,
    attributes: List,
    identity: Option<Meaning>,
}

impl Parser<'_, '_> {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Option<()> {
        let is_text = matches!(event, Event::Text(_) | Event::GeneralRef(_));
        let written = &self.text[span.clone()];
        if !(is_text || written.starts_with('<') && written.ends_with('>')) {
            return None;
        }
        match event {
            Event::Start(start) => {
                let tag = self.tag(&start, span.clone(), 1)?;
                self.open.push(Open { children: Vec::new(), content: span.end..span.end, tag: Some(tag) });
                (self.open.len() <= DEPTH_MAX).then_some(())
            }
            Event::Empty(start) => {
                let tag = self.tag(&start, span.clone(), 2)?;
                let node = self.element(tag, span, None)?;
                self.child(Child { is_element: true, is_text: false, node })
            }
            Event::End(_) => {
                let mut open = self.open.pop()?;
                let tag = open.tag.take()?;
                open.content.end = span.start;
                let whole = tag.span.start..span.end;
                let node = self.element(tag, whole, Some(open))?;
                self.child(Child { is_element: true, is_text: false, node })
            }
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => self.run_of_text(span),
            Event::Comment(_) => self.leaf("comment", span),
            Event::PI(_) => self.leaf("instruction", span),
            Event::Decl(_) => self.leaf("declaration", span),
            Event::DocType(_) => self.leaf("document type", span),
            Event::Eof => None,
        }
    }

    fn child(&mut self, child: Child) -> Option<()> {
        self.open.last_mut()?.children.push(child);
        Some(())
    }

    fn leaf(&mut self, kind: &str, span: Range<usize>) -> Option<()> {
        let node = self.meanings.leaf(kind, span.clone(), self.text[span].as_bytes());
        self.child(Child { is_element: kind == "comment", is_text: false, node })
    }

    /// Text, or more of the text before.
    fn run_of_text(&mut self, span: Range<usize>) -> Option<()> {
        let children = &mut self.open.last_mut()?.children;
        let before = children.pop_if(|last| last.is_text && last.node.span.end == span.start);
        let span = before.map_or(span.start, |before| before.node.span.start)..span.end;
        let node = self.meanings.leaf("text", span.clone(), self.text[span].as_bytes());
        self.child(Child { is_element: false, is_text: true, node })
    }

    /// A start tag that ends with so many bytes.
    fn tag(&mut self, start: &BytesStart<'_>, span: Range<usize>, end_bytes: usize) -> Option<Tag> {
        let name = start.name().0.to_owned();
        let inside = span.start + 1 + name.len()..span.end - end_bytes;
        let mut items = Vec::new();
        let mut identity = None;
        // The attributes are of the event's own text, which is the tag without its brackets.
        let own = start.attributes_raw().as_ptr() as usize;
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let from = inside.start + (attribute.key.0.as_ptr() as usize - own);
            let quoted = self.quoted(from + attribute.key.0.len(), inside.end)?;
            let node = self.meanings.leaf("attribute", quoted.clone(), attribute.value.as_bytes());
            let key = attribute.key.0.to_owned();
            if matches!(key.as_str(), "id" | "xml:id") {
                identity = Some(node.meaning);
            }
            items.push(Item { key, span: from..quoted.end, node });
        }
        Some(Tag { span, name, attributes: List { inside, keyed: true, items }, identity })
    }

    /// The value between quotes that follows from here.
    fn quoted(&self, from: usize, end: usize) -> Option<Range<usize>> {
        let text = &self.text.as_bytes()[..end];
        let open = from + text[from..].iter().position(|byte| matches!(byte, b'"' | b'\''))?;
        let close = open + 1 + text[open + 1..].iter().position(|byte| *byte == text[open])?;
        Some(open..close + 1)
    }

    fn element(&mut self, tag: Tag, span: Range<usize>, open: Option<Open>) -> Option<Node> {
        let declared = |item: &&Item| item.key.starts_with("xmlns") || item.key == "xml:space";
        let declarations = tag.attributes.items.iter().filter(declared);
        let mut shape = Vec::new();
        for item in declarations {
            shape.push(self.meanings.number("declared", item.key.as_bytes(), &[item.node.meaning]));
        }
        let preserves = tag.attributes.items.iter().any(|item| item.key == "xml:space");
        let mut lists = vec![tag.attributes];
        if let Some(open) = open {
            let (list, is_mixed) = self.content(open, preserves)?;
            shape.push(self.meanings.number("mixed", &[u8::from(is_mixed)], &[]));
            lists.push(list);
        }
        let kind = self.meanings.number("element", tag.name.as_bytes(), &[]);
        let shape = self.meanings.number("shape", tag.name.as_bytes(), &shape);
        let node = self.meanings.branch(kind, shape, span, lists);
        Some(Node { identity: tag.identity, ..node })
    }

    /// The children of an element, and whether its text is among them.
    fn content(&self, open: Open, preserves: bool) -> Option<(List, bool)> {
        let is_space = |child: &Child| self.text[child.node.span.clone()].trim_ascii().is_empty();
        let has_elements = open.children.iter().any(|child| child.is_element);
        let has_words = open.children.iter().any(|child| child.is_text && !is_space(child));
        let is_mixed = preserves || has_words || !has_elements;
        let kept = open.children.into_iter().filter(|child| is_mixed || !child.is_text);
        let items = named(self.text, kept.map(|child| child.node));
        let list = List { inside: open.content, keyed: false, items };
        self.is_tiled(&list, is_mixed).then_some((list, is_mixed))
    }

    /// Whether nothing of a list is lost between its items.
    fn is_tiled(&self, list: &List, is_mixed: bool) -> bool {
        let gaps = (0..list.items.len()).map(|at| list.gap(at)).chain([list.tail()]);
        let mut between = gaps.map(|gap| &self.text[gap]);
        between.all(|gap| gap.is_empty() || !is_mixed && gap.trim_ascii().is_empty())
    }

    fn document(&mut self, mut open: Open) -> Option<Node> {
        let end = self.text.len();
        open.content.end = end;
        let kept = open.children.into_iter().filter(|child| !child.is_text);
        let items = named(self.text, kept.map(|child| child.node));
        let kind = self.meanings.number("document", b"", &[]);
        let list = List { inside: open.content, keyed: false, items };
        if !self.is_tiled(&list, false) {
            return None;
        }
        Some(self.meanings.branch(kind, kind, 0..end, vec![list]))
    }
}
