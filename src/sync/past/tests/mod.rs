//! Restore and undo on trees in memory.

mod deeds;
mod restores;
mod undoes;
mod world;
