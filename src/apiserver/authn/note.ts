/** Takes what is worth recording of a request. */
export type Note = (name: string, value: string) => void;
