/** What an OCI runtime wrote to its JSON log before it gave up, in one line. */
export function runtimeProblem(log: string | undefined, stderr: string | undefined): string {
  const messages = (log ?? '').split('\n').flatMap((line) => {
    try {
      const { msg, level } = JSON.parse(line) as { msg?: string; level?: string };
      return msg && level !== 'warning' && level !== 'debug' && level !== 'info' ? [msg.trim()] : [];
    } catch {
      return [];
    }
  });
  return messages.join('; ') || (stderr ?? '').trim().slice(0, 1000) || 'the runtime ended without saying why';
}
