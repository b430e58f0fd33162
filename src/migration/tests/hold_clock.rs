//! Rule 10: a pause is a time on the node's own clock, and a clock can be set.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hold_ground::{Made, SECOND, foreign, tell, us};
use crate::migration::hold::{Failing, Hold};
use crate::migration::side::Rules;

/// A clock that is ahead by the seconds in the file that HOLDFAST_CLOCK names.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>
int gettimeofday(struct timeval *tv, void *tz) {
    static int (*real)(struct timeval *, void *);
    static int file = -2;
    char text[32] = {0};
    if (!real) real = (int (*)(struct timeval *, void *)) dlsym(RTLD_NEXT, "gettimeofday");
    if (file == -2) file = getenv("HOLDFAST_CLOCK") ? open(getenv("HOLDFAST_CLOCK"), O_RDONLY) : -1;
    int answer = real(tv, tz);
    if (tv && file >= 0 && pread(file, text, sizeof text - 1, 0) > 0) tv->tv_sec += atol(text);
    return answer;
}
"#;

/// A redis-server whose clock is ahead by what `ahead` says; nothing where there is no C compiler.
fn with_clock(folder: &Path, program: &Path, ahead: &Path) -> Option<PathBuf> {
    let (code, library, script) = (folder.join("clock.c"), folder.join("clock.so"), folder.join("redis-server"));
    std::fs::write(&code, CLOCK).unwrap();
    let built = std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).arg("-ldl").status();
    if !built.is_ok_and(|status| status.success()) {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs cc\n");
        return None;
    }
    let text =
        format!("#!/bin/sh\nHOLDFAST_CLOCK={} LD_PRELOAD={} exec {} \"$@\"\n", ahead.display(), library.display(), program.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    Some(script)
}

#[tokio::test]
async fn rule_10_a_clock_that_is_set_ends_the_pause_and_is_told() {
    for (rules, is_told) in [(Rules::ALL, true), (Rules::without(10), false)] {
        let Some(made) = Made::plain(0) else { return };
        let folder = tempfile::tempdir().unwrap();
        let ahead = folder.path().join("ahead");
        std::fs::write(&ahead, "0").unwrap();
        let Some(program) = with_clock(folder.path(), &made.program, &ahead) else { return };
        let group = Made { program, ..made }.start().await;
        let hold = Hold::take(&group.side, &us(2), Duration::from_secs(3000), rules, Failing::Releases).await.unwrap();
        let mut broken = hold.broken();
        let api = foreign(group.primary()).await;
        assert!(super::hold_ground::asked(&api, &["SET", "a", "1"], SECOND / 4).await.is_err(), "it is held");
        std::fs::write(&ahead, "3600").unwrap();
        tell(&foreign(group.primary()).await, &["SET", "slipped", "through"]).await;
        let told = tokio::time::timeout(2 * SECOND, broken.wait_for(Option::is_some)).await.is_ok();
        assert_eq!(told, is_told);
    }
}
