// What the examples of the documents take from the app around them.
declare const app: string;
declare const url: string;
declare const user: { id: string } | null;
declare const button: HTMLButtonElement;
declare function getToken(): Promise<string>;
declare function show(value: unknown): Promise<void>;
declare function add(message: unknown): void;
declare function reload(): void;
declare function report(code: string, message: string): void;
