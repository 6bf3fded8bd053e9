import { z } from 'zod';
import { Group, ServiceAccount } from './principal.ts';

const Base64url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** The public part of a key that an approver made on their own machine. */
export const ApproverKey = z.strictObject({
  id: z.string().startsWith('key_'),
  algorithm: z.literal('ed25519'),
  /** RFC 8032 public key, base64url */
  publicKey: Base64url32,
  enrolledAt: z.iso.datetime(),
});
export type ApproverKey = z.infer<typeof ApproverKey>;

/** A person: decides on requests of their groups and, by role, administers or audits. */
export const User = z.strictObject({
  id: z.string().startsWith('usr_'),
  name: ServiceAccount.shape.name,
  /** who this is, whatever the account: staff number or mail address; two accounts of one human have the same */
  human: z
    .string()
    .min(3)
    .max(200)
    .regex(/^[^\p{C}]*$/u, 'no control or invisible characters'),
  groups: z.array(Group).max(64),
  /** of the control plane; signing in as an approver needs none */
  roles: z
    .array(z.enum(['administrator', 'auditor']))
    .max(2)
    .default([]),
  disabled: z.boolean(),
  createdAt: z.iso.datetime(),
  /** null: not enrolled yet */
  key: ApproverKey.nullable(),
});
export type User = z.infer<typeof User>;

/** Leave to enrol one key for one user, once. The code itself is shown once and never kept. */
export const Invitation = z.strictObject({
  id: z.string().startsWith('inv_'),
  user: z.string().startsWith('usr_'),
  /** SHA-256 of the code, base64url; codes carry 160 random bits */
  hash: Base64url32,
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** name of the administrator who made it */
  invitedBy: z.string().max(200),
  /** it replaces a key: a second administrator must confirm it before it can be used */
  replaces: z.boolean(),
  confirmedBy: z.string().max(200).nullable(),
  usedAt: z.iso.datetime().nullable(),
});
export type Invitation = z.infer<typeof Invitation>;

/** What gateways and verifiers know of an approver. */
export type Approver = Pick<User, 'id' | 'name' | 'human' | 'groups' | 'disabled' | 'key'>;

/** One human is one, however the name is written. */
export function humanKey(human: string): string {
  return human.normalize('NFKC').trim().toLowerCase();
}
