// Loaded before a child's own code (`node --import`): the child ends when the demo is gone, however it went.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
