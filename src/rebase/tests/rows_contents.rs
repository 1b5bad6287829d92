//! Rows of the conflict table about content, both ways round.
