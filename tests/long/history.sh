#!/bin/bash
# The history of a file that was edited a thousand times.
FL0WFS_TEST_EDITS=1000 exec "$(dirname "$0")/../history.sh" 3
