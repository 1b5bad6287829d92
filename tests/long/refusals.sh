#!/bin/bash
# The refusals with all their full disks, the hub's too: members wait, say so, and go on when there is room.
exec "$(dirname "$0")/../refusals.sh" --all
