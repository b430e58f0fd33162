//! Questions and answers of a bulk connection, as bytes (RESP2): a value that passes through is neither copied nor looked into.

use std::ops::Range;

/// Commands to be sent at once.
#[derive(Default)]
pub struct Ask {
    pub(super) bytes: Vec<u8>,
    pub(super) commands: usize,
}

impl Ask {
    pub fn with_capacity(bytes: usize) -> Ask {
        Ask { bytes: Vec::with_capacity(bytes), commands: 0 }
    }

    pub fn add(&mut self, words: &[&[u8]]) {
        self.begin(words.len());
        words.iter().for_each(|word| self.word(word));
    }

    /// A command of so many words, which follow.
    pub fn begin(&mut self, words: usize) {
        self.commands += 1;
        self.length(b'*', words);
    }

    pub fn word(&mut self, word: &[u8]) {
        self.length(b'$', word.len());
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn length(&mut self, kind: u8, length: usize) {
        let (mut digits, mut first, mut rest) = ([0_u8; 20], 20, length);
        loop {
            first -= 1;
            if let Some(digit) = digits.get_mut(first) {
                *digit = b'0' + (rest % 10) as u8;
            }
            rest /= 10;
            if rest == 0 || first == 0 {
                break;
            }
        }
        self.bytes.push(kind);
        self.bytes.extend_from_slice(digits.get(first..).unwrap_or_default());
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// An answer, or a part of one: what an array holds follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'b> {
    Number(i64),
    Text(&'b [u8]),
    Nil,
    Array(usize),
    Refused(&'b [u8]),
}

impl Answer<'_> {
    /// The number, in whichever way it was written.
    pub fn number(&self) -> Option<i64> {
        match self {
            Answer::Number(number) => Some(*number),
            Answer::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Part {
    Number(i64),
    Text(Range<usize>),
    Nil,
    Array(usize),
    Refused(Range<usize>),
}

/// Reading of answers as they come in.
#[derive(Debug, Default)]
pub(super) struct Scan {
    parts: Vec<Part>,
    /// How far the buffer was read.
    at: usize,
    /// Parts that are still to come, as far as is known.
    left: usize,
}

/// Longer arrays than any that is asked for are no answers.
const LONGEST: usize = 1 << 24;

impl Scan {
    /// Begins with so many answers to come.
    pub fn begin(&mut self, answers: usize) {
        self.parts.clear();
        (self.at, self.left) = (0, answers);
    }

    /// Reads on. Says how many bytes are missing at the least; 0: all is there. Nothing: it makes no sense.
    pub fn go_on(&mut self, buffer: &[u8]) -> Option<usize> {
        while self.left > 0 {
            let rest = buffer.get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == b'\r').filter(|length| rest.len() > length + 1) else {
                return Some(1);
            };
            let (kind, text) = rest.get(..length)?.split_first()?;
            let line = self.at + 1..self.at + length;
            let mut next = self.at + length + 2;
            let part = match kind {
                b'$' => match usize::try_from(number(text)?) {
                    Ok(length) => {
                        let value = next..next.checked_add(length)?;
                        next = value.end.checked_add(2)?;
                        if next > buffer.len() {
                            return Some(next - buffer.len());
                        }
                        Part::Text(value)
                    }
                    Err(_) => Part::Nil,
                },
                b':' => Part::Number(number(text)?),
                b'+' => Part::Text(line),
                b'-' => Part::Refused(line),
                b'*' => match usize::try_from(number(text)?) {
                    Ok(parts) if parts <= LONGEST => {
                        self.left += parts;
                        Part::Array(parts)
                    }
                    Ok(_) => return None,
                    Err(_) => Part::Nil,
                },
                _ => return None,
            };
            self.parts.push(part);
            self.left -= 1;
            self.at = next;
        }
        Some(0)
    }

    pub fn answers<'b>(&'b self, buffer: &'b [u8]) -> Answers<'b> {
        Answers { parts: self.parts.iter(), buffer }
    }
}

fn number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_i64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(i64::from(digit))
    })?;
    Some(if negative { -value } else { value })
}

/// The answers, one after another.
pub struct Answers<'b> {
    parts: std::slice::Iter<'b, Part>,
    buffer: &'b [u8],
}

impl<'b> Iterator for Answers<'b> {
    type Item = Answer<'b>;

    fn next(&mut self) -> Option<Answer<'b>> {
        let text = |range: &Range<usize>| self.buffer.get(range.clone()).unwrap_or_default();
        Some(match self.parts.next()? {
            Part::Number(number) => Answer::Number(*number),
            Part::Text(range) => Answer::Text(text(range)),
            Part::Nil => Answer::Nil,
            Part::Array(parts) => Answer::Array(*parts),
            Part::Refused(range) => Answer::Refused(text(range)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_wherever_they_are_cut() {
        let bytes = b"+OK\r\n$5\r\na\r\nb\0\r\n*2\r\n:-2\r\n*1\r\n$-1\r\n-NOPERM no\r\n$0\r\n\r\n*-1\r\n";
        let expected = [
            Answer::Text(b"OK"),
            Answer::Text(b"a\r\nb\0"),
            Answer::Array(2),
            Answer::Number(-2),
            Answer::Array(1),
            Answer::Nil,
            Answer::Refused(b"NOPERM no"),
            Answer::Text(b""),
            Answer::Nil,
        ];
        for cut in 0..bytes.len() {
            let mut scan = Scan::default();
            scan.begin(6);
            let missing = scan.go_on(&bytes[..cut]).unwrap();
            assert!(missing > 0 && cut + missing <= bytes.len(), "{cut} {missing}");
            assert_eq!(scan.go_on(bytes), Some(0));
            assert_eq!(scan.answers(bytes).collect::<Vec<_>>(), expected, "{cut}");
        }
    }

    #[test]
    fn what_is_no_answer_is_said() {
        for bytes in [
            &b"?1\r\n"[..],
            b":x\r\n",
            b"$\r\n",
            b"*99999999999\r\n",
            b"$99999999999999999999\r\n",
            b":-\r\n",
            b"\r\n",
            b"$9223372036854775807\r\n\r\n",
        ] {
            let mut scan = Scan::default();
            scan.begin(1);
            let read = scan.go_on(bytes);
            assert!(read.is_none() || read > Some(1 << 40), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn commands_are_written_with_their_lengths() {
        let mut ask = Ask::default();
        ask.add(&[b"SET", b"", b"0123456789"]);
        assert_eq!(ask.bytes, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$10\r\n0123456789\r\n");
        assert_eq!(ask.commands, 1);
    }
}
