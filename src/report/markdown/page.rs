//! A page of bounded size: each section takes its share, the most important of it first, and says how much does not fit.

/// The most that a page has, in bytes. GitHub takes 65,536 characters for a comment, of which each is a byte or more; what is left is for whatever the
/// pipeline puts around it.
pub const LIMIT: usize = 64_000;

/// What the note of a cut page takes.
const NOTE: usize = 200;

pub(super) struct Page {
    /// The sections by where they stand.
    sections: Vec<(usize, String)>,
    left: usize,
    cut: bool,
}

/// What stands around the entries of a section.
pub(super) struct Frame<'f> {
    /// Where it stands among the others.
    pub(super) place: usize,
    /// The most bytes that it may take.
    pub(super) share: usize,
    pub(super) head: &'f str,
    /// Said of the entries that do not fit, given how many they are.
    pub(super) rest: &'f dyn Fn(usize) -> String,
}

impl Page {
    pub(super) fn new() -> Page {
        Page { sections: Vec::new(), left: LIMIT - NOTE, cut: false }
    }

    /// What is still free.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Something was left out of an entry.
    pub(super) fn is_cut(&mut self) {
        self.cut = true;
    }

    /// Adds those entries that fit, in their order; `count` is how many there are. An entry is made only when its turn comes. Answers with how many fit.
    pub(super) fn add(&mut self, frame: Frame<'_>, count: usize, entries: impl Iterator<Item = String>) -> usize {
        if count == 0 {
            return 0;
        }
        let Frame { place, share, head, rest } = frame;
        // No other number of entries takes longer to say.
        let tail = rest(count).len() + 4;
        let room = share.min(self.left);
        let mut text = String::from(head);
        let mut shown = 0;
        for entry in entries {
            if text.len() + entry.len() + tail > room {
                break;
            }
            text.push_str(&entry);
            shown += 1;
        }
        if shown < count {
            self.cut = true;
            // A list, a table or what is folded ends at the empty line.
            text.push_str(&format!("\n{}\n", rest(count - shown)));
        }
        text.push('\n');
        self.left = self.left.saturating_sub(text.len());
        self.sections.push((place, text));
        shown
    }

    /// The page, its sections in their places.
    pub(super) fn end(mut self) -> String {
        if self.cut {
            self.sections.push((
                1,
                "Not all of it fits into a comment; each part says what it leaves out, and `-o json` has the whole.\n\n".to_owned(),
            ));
        }
        self.sections.sort_by_key(|(place, _)| *place);
        self.sections.into_iter().map(|(_, text)| text).collect::<String>().trim_end().to_owned() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_keeps_to_its_share_and_says_what_it_leaves_out() {
        let rest = |more: usize| format!("and {more} more");
        let mut page = Page::new();
        page.add(Frame { place: 2, share: 60, head: "head\n\n", rest: &rest }, 100, (0..100).map(|number| format!("- entry {number}\n")));
        page.add(Frame { place: 0, share: 60, head: "first\n", rest: &rest }, 1, std::iter::once(String::new()));
        page.add(Frame { place: 3, share: 60, head: "empty\n", rest: &rest }, 0, std::iter::empty());
        let text = page.end();
        assert!(text.starts_with("first\n\nNot all of it fits"), "{text}");
        assert!(text.ends_with("head\n\n- entry 0\n- entry 1\n- entry 2\n\nand 97 more\n"), "{text}");
    }
}
