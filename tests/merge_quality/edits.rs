//! Edits, recombined: some of one side, some of the other, by a fixed seed.

use imara_diff::{Algorithm, Diff, InternedInput};

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Three versions, and where they come from.
pub struct Case {
    pub name: String,
    pub base: Vec<u8>,
    pub local: Vec<u8>,
    pub remote: Vec<u8>,
}

/// Both sides as parts of what changed from `old` to `new`: each change goes to one side, to both, or to none.
pub fn recombined(name: String, old: &str, new: &str, dice: &mut Dice) -> Case {
    let input = InternedInput::new(old, new);
    let diff = Diff::compute(Algorithm::Histogram, &input);
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let (mut local, mut remote, mut at) = (String::new(), String::new(), 0);
    for hunk in diff.hunks() {
        let before = hunk.before.start as usize..hunk.before.end as usize;
        let after = hunk.after.start as usize..hunk.after.end as usize;
        let unchanged = old_lines[at..before.start].concat();
        let (was, is) = (old_lines[before.clone()].concat(), new_lines[after].concat());
        let (in_local, in_remote) = [(true, false), (false, true), (true, true), (false, false)]
            [if dice.one_in(10) { 2 + dice.below(2) } else { dice.below(2) }];
        local.push_str(&unchanged);
        remote.push_str(&unchanged);
        local.push_str(if in_local { &is } else { &was });
        remote.push_str(if in_remote { &is } else { &was });
        at = before.end;
    }
    local.push_str(&old_lines[at..].concat());
    remote.push_str(&old_lines[at..].concat());
    Case { name, base: old.into(), local: local.into(), remote: remote.into() }
}

/// A text as someone might leave it: lines moved, deleted, indented, doubled, changed.
pub fn edited(text: &str, mark: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for turn in 0..1 + dice.below(4) {
        if lines.is_empty() {
            break;
        }
        let at = dice.below(lines.len());
        let end = (at + 1 + dice.below(6)).min(lines.len());
        match dice.below(6) {
            0 => {
                let moved: Vec<String> = lines.drain(at..end).collect();
                let to = dice.below(lines.len() + 1);
                lines.splice(to..to, moved);
            }
            1 => drop(lines.drain(at..end)),
            2 => lines[at..end].iter_mut().for_each(|line| line.insert_str(0, "    ")),
            3 => {
                let doubled = lines[at..end].to_vec();
                lines.splice(end..end, doubled);
            }
            4 => lines[at] = format!("changed {mark} {turn}\n"),
            _ => lines.insert(at, format!("new {mark} {turn}\n")),
        }
    }
    lines.concat()
}
