//! Where the move of a Redis stands, as it is shown.

use std::io::{IsTerminal, Write};

use jiff::Timestamp;

use super::{Output, print};
use crate::exit::Exit;
use crate::kinds::elasticache::{MoveStatus, Report, amount, length, size};
use crate::plan::escape::shown;

/// What begins a terminal's screen anew.
const ANEW: &[u8] = b"\x1b[2J\x1b[H";

/// Shows it once.
pub fn show(output: Output, status: &MoveStatus) -> Result<(), String> {
    let text = match output {
        Output::Text => text(status),
        Output::Json => {
            let json = serde_json::to_string_pretty(status).map_err(unwritten)?;
            format!("{json}\n")
        }
    };
    put(&text)
}

/// Shows it again and again: what is as it was before is not said again.
#[derive(Default)]
pub struct Screen {
    last: Option<String>,
}

impl Screen {
    pub fn show(&mut self, output: Output, status: &MoveStatus) -> Result<(), String> {
        match output {
            Output::Text if std::io::stdout().is_terminal() => {
                // A screen that cannot be begun anew is written on.
                let _ = std::io::stdout().lock().write_all(ANEW);
                put(&text(status))
            }
            Output::Text => {
                let line = line(status);
                if self.is_new(&line) { put(&format!("{}  {line}\n", Timestamp::now().strftime("%H:%M:%SZ"))) } else { Ok(()) }
            }
            Output::Json => {
                let timeless = MoveStatus { progress_age_seconds: None, ..status.clone() };
                match self.is_new(&serde_json::to_string(&timeless).map_err(unwritten)?) {
                    true => put(&format!("{}\n", serde_json::to_string(status).map_err(unwritten)?)),
                    false => Ok(()),
                }
            }
        }
    }

    fn is_new(&mut self, said: &str) -> bool {
        let new = self.last.as_deref() != Some(said);
        self.last = Some(said.to_owned());
        new
    }
}

fn unwritten(error: serde_json::Error) -> String {
    format!("the result could not be written as JSON: {error}")
}

fn put(text: &str) -> Result<(), String> {
    match print(&crate::aws::reveal_nothing(text)) {
        Exit::Done => Ok(()),
        _ => Err("the result could not be written".to_owned()),
    }
}

/// In one line, without what changes by time alone.
fn line(status: &MoveStatus) -> String {
    let mut parts = vec![format!("{}: {}", status.name, status.phase.words())];
    parts.extend(status.progress.as_ref().map(|progress| copied(progress, status.bytes_left)));
    parts.extend(status.why.clone());
    shown(&parts.join("; ")).into_owned()
}

/// How far the copy is.
fn copied(progress: &Report, bytes_left: Option<u64>) -> String {
    let mut out = format!(
        "{}: {} of {} keys compared, {} left",
        progress.doing,
        amount(progress.keys_compared),
        amount(progress.keys_to_compare),
        amount(progress.keys_left)
    );
    if let Some(bytes) = bytes_left.filter(|bytes| *bytes > 0) {
        out.push_str(&format!(" (about {})", size(bytes)));
    }
    out.push_str(&format!(", {} copied ({})", amount(progress.keys_copied), size(progress.bytes_copied)));
    if progress.keys_waiting > 0 {
        out.push_str(&format!(", {} changed and waiting", amount(progress.keys_waiting)));
    }
    out.push_str(&format!(", {} keys/s", amount(progress.rate)));
    if let Some(seconds) = progress.seconds_to_go {
        out.push_str(&format!(", {} to go", length(seconds)));
    }
    if let Some(seconds) = progress.held_seconds {
        out.push_str(&format!("; writes are held for {}", length(seconds)));
    }
    if let Some(trouble) = &progress.trouble {
        out.push_str(&format!("; {trouble}"));
    }
    out
}

fn text(status: &MoveStatus) -> String {
    let mut out = format!("{}: {}", shown(&status.name), status.phase.words());
    let time =
        |time: &str| time.parse::<Timestamp>().map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    if let Some(since) = &status.since {
        out.push_str(&format!(", since {}", time(since)));
    }
    if let Some(until) = &status.until {
        out.push_str(&format!(", until {}", time(until)));
    }
    out.push('\n');
    let mut line = |name: &str, text: &str| out.push_str(&format!("  {name:<10} {}\n", shown(text)));
    line("from", &status.from);
    if status.to_status.is_some() || status.held_by.is_some() {
        line("to", &format!("{} ({})", status.to, status.to_status.as_deref().unwrap_or("not there")));
    }
    if let Some(holder) = &status.held_by {
        line("held by", &format!("the object {holder}"));
    }
    if let Some(holder) = &status.holder {
        let mut text = holder.clone();
        for (words, at) in
            [("since", &status.holder_since), ("last heard of at", &status.last_beat), ("another one takes over from", &status.dead_from)]
        {
            if let Some(at) = at {
                text.push_str(&format!(", {words} {}", time(at)));
            }
        }
        line("moved by", &text);
    }
    if let Some(attempt) = status.attempt.filter(|attempt| *attempt > 1) {
        line("attempt", &attempt.to_string());
    }
    if let Some(why) = &status.why {
        line("why", why);
    }
    if let Some(fence) = &status.fence {
        line("fence", fence);
    }
    for late in &status.late {
        line("late", late);
    }
    for place in &status.places {
        line("place", &format!("{} {}", place.place, place.stands));
    }
    if let Some(progress) = &status.progress {
        let age = status.progress_age_seconds.map_or_else(String::new, |age| format!(" (written {} s ago)", age.max(0)));
        line("progress", &format!("{}{age}", copied(progress, status.bytes_left)));
    }
    for (name, figures) in [("forecast", &status.forecast), ("took", &status.measured)] {
        if let Some(words) = figures.as_ref().map(|figures| figures.words()).filter(|words| !words.is_empty()) {
            line(name, &words);
        }
    }
    for unread in &status.unread {
        line("unread", unread);
    }
    line("next", &status.next);
    for can in &status.can {
        line("you can", can);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::elasticache::{Figures, MovePhase};

    fn status() -> MoveStatus {
        let figures = Figures { copy_seconds: Some(312.0), settle_seconds: Some(0.41), outage_seconds: Some(75.0), ..Figures::default() };
        let progress = Report {
            doing: "every key is compared".to_owned(),
            keys_copied: 300,
            bytes_copied: 1_200_000,
            keys_compared: 1_500_000,
            keys_to_compare: 2_000_000,
            keys_left: 500_000,
            rate: 25_000,
            seconds_to_go: Some(20.0),
            ..Report::default()
        };
        MoveStatus {
            name: "huntaze-redis".to_owned(),
            phase: MovePhase::Copy,
            since: Some("2026-01-15T10:00:00Z".to_owned()),
            until: None,
            from: "huntaze-redis".to_owned(),
            to: "huntaze-redis-72348fb3".to_owned(),
            to_status: Some("available".to_owned()),
            held_by: Some("production".to_owned()),
            holder: None,
            holder_since: None,
            last_beat: None,
            dead_from: None,
            attempt: Some(1),
            why: None,
            late: Vec::new(),
            places: Vec::new(),
            progress: Some(progress),
            progress_age_seconds: Some(1),
            bytes_left: Some(100_000_000),
            forecast: Some(figures),
            measured: Some(Figures { copy_seconds: Some(280.0), ..Figures::default() }),
            fence: None,
            next: "`holdfast reconcile` goes on".to_owned(),
            can: vec!["holdfast migration rollback huntaze-redis".to_owned()],
            unread: Vec::new(),
        }
    }

    #[test]
    fn a_move_under_way_shows_how_far_it_is_and_what_was_thought_of_it() {
        let expected = "huntaze-redis: the new group is there, and follows the old one, since 2026-01-15 10:00:00Z
  from       huntaze-redis
  to         huntaze-redis-72348fb3 (available)
  held by    the object production
  progress   every key is compared: 1.5 M of 2.0 M keys compared, 500 k left (about 100 MB), 300 copied (1 MB), 25 k keys/s, 20 s to go (written 1 s ago)
  forecast   copy 5 min, settle 0.4 s, writes wait 75 s
  took       copy 5 min
  next       `holdfast reconcile` goes on
  you can    holdfast migration rollback huntaze-redis
";
        assert_eq!(text(&status()), expected);
    }

    #[test]
    fn what_is_as_it_was_is_not_said_again() {
        let status = status();
        let said = line(&status);
        assert_eq!(
            said,
            "huntaze-redis: the new group is there, and follows the old one; every key is compared: 1.5 M of 2.0 M keys compared, 500 k left \
             (about 100 MB), 300 copied (1 MB), 25 k keys/s, 20 s to go"
        );
        // A second later nothing is new but its age.
        let later = MoveStatus { progress_age_seconds: Some(2), ..status };
        assert_eq!(line(&later), said);
        let mut screen = Screen::default();
        assert!(screen.is_new(&said) && !screen.is_new(&line(&later)) && screen.is_new("other"));
    }
}
