//! Rows of the conflict table about names, both ways round.
