complete --keep-order --exclusive --command sigtool --arguments "(COMPLETE=fish sigtool -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token) 2>/dev/null)"
