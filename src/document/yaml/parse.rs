use std::borrow::Cow;

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StructureStyle};

use super::super::place::fault_at;
use super::super::tree::{Kind, Node, Style, Tag, Tree};
use super::super::{Fault, FaultKind};

/// How deep the parser may nest. Values are checked against a tighter bound when they are built.
const PARSER_DEPTH: usize = 100;

/// Reads any YAML 1.2 text of one document into its tree; a text without content gives none.
pub(super) fn parse(text: &str) -> Result<Tree<'_>, Fault> {
    let mut options = Options::default();
    options.flow_nesting_limit = PARSER_DEPTH;
    options.block_nesting_limit = PARSER_DEPTH;
    options.emit_anchor_events = true;
    options.set_emit_comments(false);
    let mut builder =
        Builder { text, tree: Tree::default(), open: Vec::new(), anchors: Vec::new(), reach: 0 };
    let mut documents = 0;
    for step in Parser::new_from_str_with_options(text, options) {
        let (event, span) = step.map_err(|error| scan_fault(text, &error))?;
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                let message = "a second document begins: a file holds one";
                return Err(fault_at(text.as_bytes(), offset(span.start), FaultKind::Unsupported, message));
            }
        }
        builder.take(event, &span)?;
    }
    Ok(builder.tree)
}

fn scan_fault(text: &str, error: &ScanError) -> Fault {
    fault_at(text.as_bytes(), offset(*error.marker()), FaultKind::Syntax, error.info())
}

fn offset(marker: Marker) -> usize {
    marker.byte_offset().unwrap_or_default()
}

fn narrow(offset: usize) -> u32 {
    // Documents over the size limit were refused before; a wrong offset would be found by the final check.
    u32::try_from(offset).unwrap_or(u32::MAX)
}

struct Builder<'a> {
    text: &'a str,
    tree: Tree<'a>,
    /// The collections that have begun and not ended.
    open: Vec<u32>,
    /// The node of each anchor, by the parser's number minus one.
    anchors: Vec<u32>,
    /// The furthest that a node has reached.
    reach: u32,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, span: &Span) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span, true)?;
                let (text, style) = match style {
                    // The parser says `~` for a value left out.
                    ScalarStyle::Plain if span.is_empty() => (Cow::Borrowed(""), Style::Plain),
                    ScalarStyle::Plain => (text, Style::Plain),
                    ScalarStyle::SingleQuoted => (text, Style::Single),
                    ScalarStyle::DoubleQuoted => (text, Style::Double),
                    ScalarStyle::Literal => (text, Style::Literal),
                    ScalarStyle::Folded => (text, Style::Folded),
                };
                self.push(Kind::Scalar { text, style }, span, tag, anchor);
            }
            Event::SequenceStart(style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span, false)?;
                let index = self.push(Kind::Sequence { flow: is_flow(style) }, span, tag, anchor);
                self.open.push(index);
            }
            Event::MappingStart(style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span, false)?;
                let index = self.push(Kind::Mapping { flow: is_flow(style) }, span, tag, anchor);
                self.open.push(index);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Anchor(..) => {
                if let Some(node) = self.tree.nodes.last_mut() {
                    node.outer = node.outer.min(narrow(offset(span.start)));
                }
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(anchor.wrapping_sub(1)).copied().unwrap_or_default();
                if self.open.contains(&target) {
                    let message = "this alias stands inside what it names";
                    return Err(self.fault(span, message));
                }
                let index = self.push(Kind::Alias(target), span, None, 0);
                self.tree.nodes[target as usize].last_alias = index;
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind<'a>, span: &Span, tag: Option<Tag>, anchor: usize) -> u32 {
        let index = narrow(self.tree.nodes.len());
        let start = narrow(offset(span.start));
        let end = match &kind {
            Kind::Scalar { style: Style::Literal | Style::Folded, text } if !keeps_blank_lines(text) => {
                narrow(end_of_block_scalar(self.text, offset(span.start), offset(span.end)))
            }
            _ => narrow(offset(span.end)),
        };
        self.reach = self.reach.max(end);
        let outer = span.tag_start().map_or(start, |marker| narrow(offset(marker)));
        self.tree.nodes.push(Node { outer, start, end, next: index + 1, kind, tag, last_alias: 0 });
        if anchor > 0 {
            self.anchors.resize(anchor, 0);
            self.anchors[anchor - 1] = index;
        }
        index
    }

    fn close(&mut self, span: &Span) {
        let Some(index) = self.open.pop() else { return };
        let next = narrow(self.tree.nodes.len());
        // A block collection ends with its last node; the parser says where the next token begins.
        let is_flow = matches!(
            self.tree.node(index).kind,
            Kind::Mapping { flow: true } | Kind::Sequence { flow: true }
        );
        // A pair in a list (`[a: b]`) is a mapping of the flow style without braces.
        let end = if is_flow { narrow(offset(span.end)) } else { self.reach };
        self.reach = self.reach.max(end);
        let node = &mut self.tree.nodes[index as usize];
        node.next = next;
        node.end = end;
    }

    fn tag(
        &self,
        tag: Option<&granit_parser::Tag>,
        span: &Span,
        is_scalar: bool,
    ) -> Result<Option<Tag>, Fault> {
        let Some(tag) = tag else { return Ok(None) };
        Ok(Some(match tag.core_suffix() {
            // The non-specific tag makes a scalar a string and says nothing about a collection.
            _ if tag.original() == "!" => return Ok(is_scalar.then_some(Tag::Str)),
            Some("str") => Tag::Str,
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("bool") => Tag::Bool,
            Some("null") => Tag::Null,
            Some("map") => Tag::Map,
            Some("seq") => Tag::Seq,
            _ => {
                let at = span.tag_start().map_or(offset(span.start), offset);
                let message = format!(
                    "the tag `{}` means nothing here: only those of the core schema do",
                    tag.original()
                );
                return Err(fault_at(self.text.as_bytes(), at, FaultKind::Unsupported, message));
            }
        }))
    }

    fn fault(&self, span: &Span, message: &str) -> Fault {
        fault_at(self.text.as_bytes(), offset(span.start), FaultKind::Unsupported, message)
    }
}

fn is_flow(style: StructureStyle) -> bool {
    style == StructureStyle::Flow
}

/// Only under the indicator `+` does a block scalar end in more than one line break.
fn keeps_blank_lines(text: &str) -> bool {
    text == "\n" || text.ends_with("\n\n")
}

/// Where a block scalar's last line of content ends, its line break included. The parser counts the blank
/// lines after it, which are content only under the indicator `+`.
fn end_of_block_scalar(text: &str, start: usize, end: usize) -> usize {
    let body = &text[start.min(end)..end];
    let content = body.trim_end_matches([' ', '\t', '\n', '\r']).len();
    let rest = &body[content..];
    start.min(end) + content + rest.find('\n').map_or(rest.len(), |at| at + 1)
}
