// Loaded before a child's own code (`node --import`): the child ends when the demo is gone, however it went.
const PATIENCE_MS = 3000;

process.on('disconnect', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), PATIENCE_MS).unref();
});
process.channel?.unref();
