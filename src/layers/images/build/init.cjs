// The first process of a container has no default action for signals: without this, an app that does not
// handle SIGTERM would be killed only after its grace period. An app with handlers of its own is left alone.
if (process.pid === 1)
  for (const [signal, number] of [
    ['SIGTERM', 15],
    ['SIGINT', 2],
  ])
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + number);
    });
